export function ClerkProvider({ publishableKey, children, locale, texts, onRelayCode }: {
    publishableKey: string;
    children?: ReactNode;
} & Omit<LinkgateOptions, "url">): ReactNode;
export type Clerk = Linkgate;
/** @typedef {Linkgate} Clerk */
/**
 * `new Clerk(publishableKey)`, then `load()`.
 * @type {{ new (publishableKey: string): Clerk }}
 */
export const Clerk: {
    new (publishableKey: string): Clerk;
};
/** @type {(error: unknown) => error is LinkgateError} */
export const isClerkAPIResponseError: (error: unknown) => error is LinkgateError;
import type { ReactNode } from "react";
import type { LinkgateOptions } from "./linkgate.js";
import { LinkgateLoaded } from "./react.js";
import { LinkgateLoading } from "./react.js";
import { useLinkgate } from "./react.js";
import type { Linkgate } from "./linkgate.js";
import type { LinkgateError } from "./linkgate.js";
export { LinkgateLoaded as ClerkLoaded, LinkgateLoading as ClerkLoading, useLinkgate as useClerk };
export { EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError, SignedIn, SignedOut, UserButton, useAuth, useEmailLink, useSession, useSignIn, useSignUp, useUser } from "./react.js";
