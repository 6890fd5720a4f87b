import type { ReactNode } from "react";
import type { Linkgate, LinkgateError, LinkgateOptions } from "./linkgate.js";

export {
  EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError,
  SignedIn, SignedOut, UserButton,
  useAuth, useEmailLink, useSession, useSignIn, useSignUp, useUser,
  LinkgateLoaded as ClerkLoaded, LinkgateLoading as ClerkLoading, useLinkgate as useClerk,
} from "./react.js";

/** `publishableKey`: the service's URL, or `pk_…` + base64 of its host and `$`. */
export function ClerkProvider(
  props: { publishableKey: string; children?: ReactNode } & Omit<LinkgateOptions, "url">,
): ReactNode;

export interface Clerk extends Linkgate {}
export declare const Clerk: { new (publishableKey: string): Clerk };

export function isClerkAPIResponseError(error: unknown): error is LinkgateError;
