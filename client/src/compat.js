"use client";
/** linkgate under the names of Clerk's documented email-link API: change the import line and the provider's key. */
import { createElement } from "react";
import { createLinkgate } from "./linkgate.js";
import { urlOfKey } from "./key.js";
import { LinkgateLoaded, LinkgateLoading, LinkgateProvider, useLinkgate } from "./react.js";

/** @import { ReactNode } from "react" */
/** @import { Linkgate, LinkgateError, LinkgateOptions } from "./linkgate.js" */

export {
  EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError,
  SignedIn, SignedOut, UserButton,
  useAuth, useEmailLink, useSession, useSignIn, useSignUp, useUser,
} from "./react.js";

/**
 * `publishableKey`: the service's URL, or `pk_…` + base64 of its host and `$`.
 * @param {{ publishableKey: string, children?: ReactNode } & Omit<LinkgateOptions, "url">} props
 * @returns {ReactNode}
 */
export const ClerkProvider = ({ publishableKey, children, locale, texts, onRelayCode }) =>
  createElement(LinkgateProvider, { url: urlOfKey(publishableKey), locale, texts, onRelayCode }, children);

export { LinkgateLoaded as ClerkLoaded, LinkgateLoading as ClerkLoading, useLinkgate as useClerk };

/** @typedef {Linkgate} Clerk */
/**
 * `new Clerk(publishableKey)`, then `load()`.
 * @type {{ new (publishableKey: string): Clerk }}
 */
export const Clerk = /** @type {any} */ (
  /** @param {string} publishableKey */
  function Clerk(publishableKey) {
    return createLinkgate({ url: urlOfKey(publishableKey) });
  }
);

/** @type {(error: unknown) => error is LinkgateError} */
export const isClerkAPIResponseError = (error) => Array.isArray(/** @type {any} */ (error)?.errors);
