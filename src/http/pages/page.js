(() => {
  const form = document.getElementById("automatic");
  if (!form) return;
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault();
    sent = true;
    form.querySelector("button").disabled = true;
  });
  // A hidden page (prerendered, or opened in the background) must not confirm anything.
  const go = () => {
    if (!sent && !document.prerendering && document.visibilityState === "visible") form.requestSubmit();
  };
  document.addEventListener("prerenderingchange", go);
  document.addEventListener("visibilitychange", go);
  // The browser restored this page from its back-forward cache: the button must work again.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    sent = false;
    form.querySelector("button").disabled = false;
    document.removeEventListener("visibilitychange", go);
  });
  go();
})();
