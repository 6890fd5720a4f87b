(() => {
  const form = document.getElementById("automatic");
  if (!form) return;
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault();
    sent = true;
    form.querySelector("button").disabled = true;
  });
  // A page nobody looks at (prerendered, or opened in the background) must not confirm anything.
  const go = () => {
    if (!sent && !document.prerendering && document.visibilityState === "visible") form.requestSubmit();
  };
  document.addEventListener("prerenderingchange", go);
  document.addEventListener("visibilitychange", go);
  // Back from the next page, in a restored copy of this one: the button has to work again.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    sent = false;
    form.querySelector("button").disabled = false;
    document.removeEventListener("visibilitychange", go);
  });
  go();
})();
