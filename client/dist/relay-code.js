/** The dialog that asks for the relay code, generated from client/src. */
var h={title:"Enter the code",text:"The link for {email} was opened in another browser, which can show six digits. Enter them here.",warning:"Only if you opened the link yourself. Never enter a code that somebody else gave you.",label:"The six digits",submit:"Continue",cancel:"Not now",wrong:"That is not the code. Tries left: {left}."},v=`
dialog {
  box-sizing: border-box;
  width: min(26rem, calc(100vw - 2rem));
  padding: 1.5rem;
  border: 1px solid var(--linkgate-border, color-mix(in srgb, CanvasText 20%, Canvas));
  border-radius: var(--linkgate-radius, 14px);
  background: var(--linkgate-background, Canvas);
  color: var(--linkgate-color, CanvasText);
  font: var(--linkgate-font, 1rem/1.5 system-ui, sans-serif);
  overflow-wrap: anywhere;
}
dialog::backdrop { background: var(--linkgate-backdrop, rgb(0 0 0 / .5)); }
h2 { margin: 0; font-size: 1.3em; line-height: 1.25; }
p { margin: .7em 0; }
p:empty { display: none; }
.soft { font-size: .9em; opacity: .8; }
.bad { color: var(--linkgate-error, light-dark(#a3271c, #ff9c8f)); }
label { display: block; margin-top: 1.1em; font-weight: 600; }
input {
  box-sizing: border-box;
  width: 100%;
  margin: .35em 0;
  padding: .45em;
  border: 1px solid color-mix(in srgb, CanvasText 50%, Canvas);
  border-radius: 8px;
  background: transparent;
  color: inherit;
  font: 600 1.6em ui-monospace, monospace;
  letter-spacing: .3em;
  text-align: center;
}
div { display: flex; flex-wrap: wrap; gap: .6em; margin-top: 1em; }
button {
  flex: 1;
  min-height: 2.75em;
  padding: .4em 1em;
  border: 1px solid currentColor;
  border-radius: 8px;
  background: transparent;
  color: inherit;
  font: inherit;
  cursor: pointer;
}
[type=submit] {
  border-color: transparent;
  background: var(--linkgate-accent, light-dark(#0a6654, #74d6b8));
  color: var(--linkgate-on-accent, light-dark(#fff, #05231b));
  font-weight: 600;
}
button:disabled { opacity: .6; }
:focus-visible { outline: 3px solid var(--linkgate-accent, light-dark(#0a6654, #74d6b8)); outline-offset: 2px; }
`;function e(t,i,...o){let n=document.createElement(t);return Object.assign(n,i),n.append(...o),n}function x(t,i){let o=e("input",{id:"code",inputMode:"numeric",autocomplete:"one-time-code",maxLength:7,required:!0}),n=e("p",{id:"complaint",className:"bad",role:"alert"}),l=e("button",{type:"submit"},t.submit),c=e("button",{type:"button",onclick:()=>a.close()},t.cancel),d=e("form",{},e("label",{htmlFor:"code"},t.label),o,n,e("div",{},l,c)),r=e("h2",{id:"title"},t.title),s=e("p",{id:"text"},t.text.replace("{email}",i)),a=e("dialog",{},r,s,e("p",{className:"soft"},t.warning),d);return a.setAttribute("aria-labelledby","title"),a.setAttribute("aria-describedby","text"),o.setAttribute("aria-describedby","complaint"),{dialog:a,form:d,field:o,complaint:n,send:l}}function k({emailAddress:t,submit:i,signal:o},n){let l={...h,...n},{dialog:c,form:d,field:r,complaint:s,send:a}=x(l,t);d.onsubmit=async f=>{if(f.preventDefault(),!a.disabled){a.disabled=!0,s.textContent="",r.removeAttribute("aria-invalid");try{await i(r.value)}catch(p){s.textContent=p.code==="code_incorrect"?l.wrong.replace("{left}",p.code_tries_left):p.message,r.setAttribute("aria-invalid","true"),r.select()}a.disabled=!1}};let b=document.createElement("linkgate-relay-code"),m=()=>{o.removeEventListener("abort",m),b.remove()};c.onclose=m,o.addEventListener("abort",m);let u=b.attachShadow({mode:"open"}),g=new CSSStyleSheet;g.replaceSync(v),u.adoptedStyleSheets=[g],u.append(c),document.body.append(b),c.showModal(),r.focus()}export{h as TEXTS,k as showDialog};
