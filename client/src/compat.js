"use client";
/** linkgate under the names of Clerk's documented email-link API: change the import line and the provider's key. */
import { createElement } from "react";
import { createLinkgate } from "./linkgate.js";
import { urlOfKey } from "./key.js";
import { LinkgateLoaded, LinkgateLoading, LinkgateProvider, useLinkgate } from "./react.js";

export {
  EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError,
  SignedIn, SignedOut, UserButton,
  useAuth, useEmailLink, useSession, useSignIn, useSignUp, useUser,
} from "./react.js";

/** `publishableKey`: the service's URL, or `pk_…` + base64 of its host and `$`. */
export const ClerkProvider = ({ publishableKey, children, locale, texts, onRelayCode }) =>
  createElement(LinkgateProvider, { url: urlOfKey(publishableKey), locale, texts, onRelayCode }, children);

export { LinkgateLoaded as ClerkLoaded, LinkgateLoading as ClerkLoading, useLinkgate as useClerk };

/** `new Clerk(publishableKey)`, then `load()`. */
export function Clerk(publishableKey) {
  return createLinkgate({ url: urlOfKey(publishableKey) });
}

export const isClerkAPIResponseError = (error) => Array.isArray(error?.errors);
