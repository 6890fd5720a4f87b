/** The dialog that asks for the relay code. The core loads it while somebody waits. */

/** @import { RelayCodeRequest, RelayCodeTexts } from "./types.js" */

/** @type {RelayCodeTexts} */
export const TEXTS = {
  title: "Enter the code",
  text: "The link for {email} was opened in another browser, which can show six digits. Enter them here.",
  warning: "Only if you opened the link yourself. Never enter a code that somebody else gave you.",
  label: "The six digits",
  submit: "Continue",
  cancel: "Not now",
  wrong: "That is not the code. Tries left: {left}.",
};

const STYLE = `
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
`;

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]>} props
 * @param {(Node | string)[]} children
 */
function make(tag, props, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, props);
  element.append(...children);
  return element;
}

/** @param {RelayCodeTexts} texts @param {string} emailAddress */
function build(texts, emailAddress) {
  const field = make("input", { id: "code", inputMode: "numeric", autocomplete: "one-time-code", maxLength: 7, required: true });
  const complaint = make("p", { id: "complaint", className: "bad", role: "alert" });
  const send = make("button", { type: "submit" }, texts.submit);
  const cancel = make("button", { type: "button", onclick: () => dialog.close() }, texts.cancel);
  const form = make("form", {}, make("label", { htmlFor: "code" }, texts.label), field, complaint, make("div", {}, send, cancel));
  const title = make("h2", { id: "title" }, texts.title);
  const text = make("p", { id: "text" }, texts.text.replace("{email}", emailAddress));
  const dialog = make("dialog", {}, title, text, make("p", { className: "soft" }, texts.warning), form);
  dialog.setAttribute("aria-labelledby", "title");
  dialog.setAttribute("aria-describedby", "text");
  field.setAttribute("aria-describedby", "complaint");
  return { dialog, form, field, complaint, send };
}

/**
 * Lives in a shadow root: the page's styles and its CSP do not reach it, but custom properties do.
 * @param {Pick<RelayCodeRequest, "emailAddress" | "submit" | "signal">} request
 * @param {Partial<RelayCodeTexts>} [replaced]
 */
export function showDialog({ emailAddress, submit, signal }, replaced) {
  const texts = { ...TEXTS, ...replaced };
  const { dialog, form, field, complaint, send } = build(texts, emailAddress);
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (send.disabled) return;
    send.disabled = true;
    complaint.textContent = "";
    field.removeAttribute("aria-invalid");
    try {
      await submit(field.value);
    } catch (/** @type {any} */ error) {
      complaint.textContent = error.code === "code_incorrect" ? texts.wrong.replace("{left}", error.code_tries_left) : error.message;
      field.setAttribute("aria-invalid", "true");
      field.select();
    }
    send.disabled = false;
  };
  const host = document.createElement("linkgate-relay-code");
  const remove = () => {
    signal.removeEventListener("abort", remove);
    host.remove();
  };
  dialog.onclose = remove;
  signal.addEventListener("abort", remove);
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  root.append(dialog);
  document.body.append(host);
  dialog.showModal();
  field.focus();
}
