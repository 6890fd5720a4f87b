import type { ReactNode } from "react";
import type {
  EmailLinkFlow, Linkgate, LinkgateOptions, SessionResource, SetActiveParams, SignInResource, SignOut, SignUpResource, UserResource,
} from "./linkgate.js";

export { EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError } from "./linkgate.js";

interface Children {
  children?: ReactNode;
}

export type LinkgateProviderProps = Children &
  (LinkgateOptions | ({ /** Made with createLinkgate, shared with code outside React. */ linkgate: Linkgate } & { url?: undefined }));
/** Makes one linkgate client and loads it. Goes around the application. */
export function LinkgateProvider(props: LinkgateProviderProps): ReactNode;

export function useLinkgate(): Linkgate;

type SetActive = (params: SetActiveParams) => Promise<void>;
export function useSignIn():
  | { isLoaded: false; signIn: undefined; setActive: undefined }
  | { isLoaded: true; signIn: SignInResource; setActive: SetActive };
export function useSignUp():
  | { isLoaded: false; signUp: undefined; setActive: undefined }
  | { isLoaded: true; signUp: SignUpResource; setActive: SetActive };

export function useUser():
  | { isLoaded: false; isSignedIn: undefined; user: undefined }
  | { isLoaded: true; isSignedIn: false; user: null }
  | { isLoaded: true; isSignedIn: true; user: UserResource };
export function useSession():
  | { isLoaded: false; isSignedIn: undefined; session: undefined }
  | { isLoaded: true; isSignedIn: false; session: null }
  | { isLoaded: true; isSignedIn: true; session: SessionResource };
export function useAuth(): {
  isLoaded: boolean;
  isSignedIn: boolean | undefined;
  userId: string | null | undefined;
  sessionId: string | null | undefined;
  getToken: Linkgate["getToken"];
  signOut: SignOut;
};

/** The email-link flow of a sign-in, a sign-up or an email address, memoised; unmounting cancels it. */
export function useEmailLink<Resource, Params>(
  resource: { createEmailLinkFlow(): EmailLinkFlow<Resource, Params> } | null | undefined,
): EmailLinkFlow<Resource, Params>;

export function SignedIn(props: Children): ReactNode;
export function SignedOut(props: Children): ReactNode;
export function LinkgateLoaded(props: Children): ReactNode;
export function LinkgateLoading(props: Children): ReactNode;

/** Who is signed in, and the way out. */
export function UserButton(props: { afterSignOutUrl?: string; label?: string; signOutText?: string }): ReactNode;
