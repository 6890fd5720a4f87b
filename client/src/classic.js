/**
 * The entry of the service's /compat.js, a classic script that sets `window.Clerk` for the service that it came from.
 * Not part of the package.
 */
import { urlOfKey } from "./key.js";
import { EmailLinkErrorCode, EmailLinkErrorCodeStatus, createLinkgate, isEmailLinkError } from "./linkgate.js";

const script = /** @type {HTMLScriptElement} */ (document.currentScript);
const key = script.dataset.clerkPublishableKey || new URL(".", script.src).href;
const linkgate = createLinkgate({ url: urlOfKey(key) });

/** @type {any} */ (window).Clerk = Object.assign(linkgate, { isEmailLinkError, EmailLinkErrorCode, EmailLinkErrorCodeStatus });
