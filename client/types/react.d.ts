/**
 * Creates one linkgate client and loads it. Wrap the application in it.
 * @param {LinkgateProviderProps} props
 * @returns {ReactNode}
 */
export function LinkgateProvider(props: LinkgateProviderProps): ReactNode;
/** @returns {Linkgate} */
export function useLinkgate(): Linkgate;
/**
 * @returns {{
 *   isLoaded: boolean, isSignedIn: boolean | undefined, userId: string | null | undefined, sessionId: string | null | undefined,
 *   getToken: Linkgate["getToken"], signOut: SignOut,
 * }}
 */
export function useAuth(): {
    isLoaded: boolean;
    isSignedIn: boolean | undefined;
    userId: string | null | undefined;
    sessionId: string | null | undefined;
    getToken: Linkgate["getToken"];
    signOut: SignOut;
};
/**
 * The email-link flow of a sign-in, a sign-up or an email address, memoised. Unmounting cancels it.
 * @template Resource
 * @template Params
 * @param {{ createEmailLinkFlow(): EmailLinkFlow<Resource, Params> } | null | undefined} resource
 * @returns {EmailLinkFlow<Resource, Params>}
 */
export function useEmailLink<Resource, Params>(resource: {
    createEmailLinkFlow(): EmailLinkFlow<Resource, Params>;
} | null | undefined): EmailLinkFlow<Resource, Params>;
/**
 * A menu with the address of the user and a button to sign out.
 * @param {{ afterSignOutUrl?: string, label?: string, signOutText?: string }} props
 * @returns {ReactNode}
 */
export function UserButton({ afterSignOutUrl, label, signOutText }: {
    afterSignOutUrl?: string;
    label?: string;
    signOutText?: string;
}): ReactNode;
/**
 * @type {() =>
 *   | { isLoaded: false, signIn: undefined, setActive: undefined }
 *   | { isLoaded: true, signIn: SignInResource, setActive: SetActive }}
 */
export const useSignIn: () => {
    isLoaded: false;
    signIn: undefined;
    setActive: undefined;
} | {
    isLoaded: true;
    signIn: SignInResource;
    setActive: SetActive;
};
/**
 * @type {() =>
 *   | { isLoaded: false, signUp: undefined, setActive: undefined }
 *   | { isLoaded: true, signUp: SignUpResource, setActive: SetActive }}
 */
export const useSignUp: () => {
    isLoaded: false;
    signUp: undefined;
    setActive: undefined;
} | {
    isLoaded: true;
    signUp: SignUpResource;
    setActive: SetActive;
};
/**
 * @type {() =>
 *   | { isLoaded: false, isSignedIn: undefined, user: undefined }
 *   | { isLoaded: true, isSignedIn: false, user: null }
 *   | { isLoaded: true, isSignedIn: true, user: UserResource }}
 */
export const useUser: () => {
    isLoaded: false;
    isSignedIn: undefined;
    user: undefined;
} | {
    isLoaded: true;
    isSignedIn: false;
    user: null;
} | {
    isLoaded: true;
    isSignedIn: true;
    user: UserResource;
};
/**
 * @type {() =>
 *   | { isLoaded: false, isSignedIn: undefined, session: undefined }
 *   | { isLoaded: true, isSignedIn: false, session: null }
 *   | { isLoaded: true, isSignedIn: true, session: SessionResource }}
 */
export const useSession: () => {
    isLoaded: false;
    isSignedIn: undefined;
    session: undefined;
} | {
    isLoaded: true;
    isSignedIn: false;
    session: null;
} | {
    isLoaded: true;
    isSignedIn: true;
    session: SessionResource;
};
/** @type {(props: Children) => ReactNode} */
export const LinkgateLoaded: (props: Children) => ReactNode;
/** @type {(props: Children) => ReactNode} */
export const LinkgateLoading: (props: Children) => ReactNode;
/** @type {(props: Children) => ReactNode} */
export const SignedIn: (props: Children) => ReactNode;
/** @type {(props: Children) => ReactNode} */
export const SignedOut: (props: Children) => ReactNode;
export type Side = "left" | "right";
export type Children = {
    children?: ReactNode;
};
/**
 * The service's URL, or `linkgate`: a client made with createLinkgate, shared with code outside React.
 */
export type LinkgateProviderProps = Children & (LinkgateOptions | ({
    linkgate: Linkgate;
} & {
    url?: undefined;
}));
export type SetActive = (params: SetActiveParams) => Promise<void>;
import type { ReactNode } from "react";
import type { Linkgate } from "./linkgate.js";
import type { SignOut } from "./linkgate.js";
import type { EmailLinkFlow } from "./linkgate.js";
import type { SignInResource } from "./linkgate.js";
import type { SignUpResource } from "./linkgate.js";
import type { UserResource } from "./linkgate.js";
import type { SessionResource } from "./linkgate.js";
import type { LinkgateOptions } from "./linkgate.js";
import type { SetActiveParams } from "./linkgate.js";
export { EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError } from "./linkgate.js";
