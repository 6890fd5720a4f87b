// The end of /compat.js, the classic script that sets window.Clerk. linkgate serves it as linkgate.js, key.js and this,
// in one function of their own and without `export`.

const script = document.currentScript;
const key = script?.dataset.clerkPublishableKey || new URL(".", script.src).href;

window.Clerk = Object.assign(createLinkgate({ url: urlOfKey(key) }), {
  isEmailLinkError,
  EmailLinkErrorCode,
  EmailLinkErrorCodeStatus,
});
