export type Purpose = "sign_in" | "sign_up" | "verify_email";
export type Status = "pending" | "awaiting_code" | "verified" | "denied" | "canceled" | "expired" | "failed";

/** One run of sign-in, sign-up or address verification, as the HTTP API tells it. */
export interface Attempt {
  id: string;
  /** What the requester polls with. Answers after the first keep it. */
  attempt_token: string;
  status: Status;
  purpose: Purpose;
  /** As it was typed. */
  email_address: string;
  created_at?: string;
  expires_at: string;
  resend_after: string;
  verified_at?: string | null;
  verified_from_same_client?: boolean | null;
  signed_in?: "requester" | "opener" | "both" | null;
  session_id?: string | null;
  code_tries_left?: number | null;
  failure?: "too_many_codes" | "mail_rejected" | "state_lost";
  /** The service's clock minus this one's, in milliseconds. */
  skew?: number;
}

/** A session as the HTTP API tells it. */
export interface SessionData {
  id: string;
  user: { id: string; email_address: string };
  client_id: string;
  expires_at: string;
  /** Only in the answer of `redeem`. */
  session_token?: string;
  /** Seconds that the session token lives. */
  expires_in?: number;
}

export interface EmailProofData {
  email_proof: string;
  /** Seconds. */
  expires_in: number;
  email_address: string;
  user: { id: string } | null;
}

/** A problem (RFC 9457) with all its members, or `code: "network_error"`, `status: 0` when no answer came. */
export class LinkgateError extends Error {
  constructor(
    problem: { code: string; status: number; title?: string; detail?: string; [member: string]: unknown },
    more?: { retryAfter?: number | null; cause?: unknown },
  );
  code: string;
  status: number;
  title?: string;
  detail?: string;
  request_id?: string;
  /** Of `code_incorrect`. */
  code_tries_left?: number;
  /** Seconds. */
  retryAfter: number | null;
  /** Whether the same request may well succeed later. */
  readonly transient: boolean;
  /** The same, as components written against Clerk read it. */
  errors: Array<{ code: string; message: string; longMessage: string; meta: Record<string, unknown> }>;
}

export declare const EmailLinkErrorCode: { readonly Expired: "expired"; readonly Failed: "failed"; readonly ClientMismatch: "client_mismatch" };
export declare const EmailLinkErrorCodeStatus: typeof EmailLinkErrorCode;

/** What `handleEmailLinkVerification` throws. */
export class EmailLinkError extends Error {
  constructor(code: "expired" | "failed" | "client_mismatch");
  code: "expired" | "failed" | "client_mismatch";
}
/** By name, not by class: several copies of the module may be at work in one page. */
export function isEmailLinkError(error: unknown): error is EmailLinkError;

export function isOver(attempt: Pick<Attempt, "status">): boolean;

export interface Verification {
  status: "unverified" | "verified" | "expired" | "failed" | "client_mismatch";
  strategy: "email_link";
  /** When the newest link expires; null before one was sent. */
  expireAt: Date | null;
  /** Why it is not verified: a failure of the attempt (`denied`, `canceled`, `too_many_codes`, …) or of its end. */
  error: { code: string; message: string; longMessage: string } | null;
  /** This client's id when the link was opened here, else null: another client's id is not told. */
  verifiedAtClient: string | null;
  verifiedFromTheSameClient(): boolean;
}

export interface StartEmailLinkFlowParams {
  /** Where the opened link leads to; has to be allowed by the service. Relative to the page. */
  redirectUrl: string;
  /** Cancels the flow. With it, the promise of a cancelled flow rejects; without it, it stays open. */
  signal?: AbortSignal;
}

export interface EmailLinkFlow<Resource, Params = StartEmailLinkFlowParams> {
  /** Sends one mail, waits, and resolves with the same resource however it ends. */
  startEmailLinkFlow(params: Params): Promise<Resource>;
  /** Stops waiting at once. May be called at any time and twice. */
  cancelEmailLinkFlow(): void;
}

export interface EmailLinkFactor {
  strategy: "email_link";
  emailAddressId: string;
  /** What was typed, character for character. */
  safeIdentifier: string;
}

export interface SignInResource {
  id: string | null;
  status: "needs_identifier" | "needs_first_factor" | "complete";
  identifier: string | null;
  supportedFirstFactors: EmailLinkFactor[];
  firstFactorVerification: Verification;
  createdSessionId: string | null;
  /** Changes this object in place and resolves to it. */
  create(params: { identifier: string }): Promise<SignInResource>;
  createEmailLinkFlow(): EmailLinkFlow<SignInResource, StartEmailLinkFlowParams & { emailAddressId?: string }>;
}

export interface SignUpResource {
  id: string | null;
  /** null before `create`; `abandoned` when it was denied, canceled or failed. */
  status: "missing_requirements" | "complete" | "abandoned" | null;
  emailAddress: string | null;
  missingFields: string[];
  unverifiedFields?: string[];
  verifications: { emailAddress: Verification };
  createdSessionId: string | null;
  createdUserId: string | null;
  create(params: { emailAddress: string }): Promise<SignUpResource>;
  createEmailLinkFlow(): EmailLinkFlow<SignUpResource>;
}

export interface EmailAddressResource {
  id: string;
  emailAddress: string;
  verification: Verification;
  linkedTo: [];
  /** When verified: a JWT of five minutes for the application's back end, which keeps the address. */
  emailProof: string | null;
  createEmailLinkFlow(): EmailLinkFlow<EmailAddressResource>;
  toString(): string;
}

export interface UserResource {
  id: string;
  primaryEmailAddress: EmailAddressResource;
  primaryEmailAddressId: string;
  /** The address that signed in, and those added in this page. */
  emailAddresses: EmailAddressResource[];
  createEmailAddress(params: { email: string }): Promise<EmailAddressResource>;
  reload(): Promise<UserResource>;
}

export interface SessionResource {
  id: string;
  status: "active";
  user: UserResource;
  expireAt: Date;
  getToken(options?: { skipCache?: boolean }): Promise<string | null>;
  end(): Promise<void>;
  remove(): Promise<void>;
}

export interface ClientResource {
  id: string | null;
  sessions: SessionResource[];
  signIn: SignInResource;
  signUp: SignUpResource;
}

export interface SetActiveParams {
  session?: string | SessionResource | null;
  /** Awaited while nobody is signed in or out (`session` is undefined). */
  beforeEmit?: (session: SessionResource | null | undefined) => unknown;
  redirectUrl?: string;
  navigate?: (params: { session: SessionResource | null | undefined; decorateUrl: (url: string) => string }) => unknown;
}

export interface HandleEmailLinkVerificationParams {
  /** Where to go on when this client's own sign-in or sign-up still lacks something. */
  redirectUrl?: string;
  /** Where to go when this client is signed in. */
  redirectUrlComplete?: string;
  onVerifiedOnOtherDevice?: () => void;
}

export interface Emission {
  client: ClientResource;
  session: SessionResource | null | undefined;
  user: UserResource | null | undefined;
}

/** The six digits that the opener's page shows are wanted here. */
export interface RelayCodeRequest {
  emailAddress: string;
  triesLeft: number | null;
  /** Aborted when the code is no longer wanted. */
  signal: AbortSignal;
  /** Rejects with `code_incorrect` and `code_tries_left` when it is wrong. */
  submit(code: string): Promise<void>;
}

export interface RelayCodeTexts {
  title: string;
  /** `{email}` stands for the address. */
  text: string;
  warning: string;
  label: string;
  submit: string;
  cancel: string;
  /** `{left}` stands for the number of tries. */
  wrong: string;
}

export interface LinkgateOptions {
  /** Where linkgate is, e.g. `https://login.example.com`. */
  url: string;
  /** The language of the mails; without it the browser's. */
  locale?: string;
  /** Other words for the dialog that asks for the relay code. */
  texts?: Partial<RelayCodeTexts>;
  /** Asks for the relay code instead of that dialog. */
  onRelayCode?: (request: RelayCodeRequest) => void;
}

export interface SignOut {
  (then?: { redirectUrl?: string } | (() => unknown)): Promise<void>;
}

export interface Linkgate {
  readonly url: string;
  /** Finds out who is signed in; resolves when the service has answered, however long that takes. */
  load(): Promise<void>;
  readonly loaded: boolean;
  /** undefined until loaded. */
  readonly client: ClientResource | undefined;
  /** undefined until loaded and while `setActive` is at work, null when nobody is signed in. */
  readonly session: SessionResource | null | undefined;
  readonly user: UserResource | null | undefined;
  setActive(params: SetActiveParams): Promise<void>;
  signOut: SignOut;
  /** The session token for `Authorization: Bearer`, renewed before it ends; null when nobody is signed in. */
  getToken(options?: { skipCache?: boolean }): Promise<string | null>;
  /** For the page that links lead to. Throws an EmailLinkError. `navigate` replaces the browser's own navigation. */
  handleEmailLinkVerification(params?: HandleEmailLinkVerificationParams, navigate?: (to: string) => unknown): Promise<unknown>;
  /** Calls back at each change, and at once when loaded. Gives the function that stops it. */
  addListener(listener: (emission: Emission) => void): () => void;

  // Underneath, one method for each route:
  /** Has a link mailed. With the same `idempotencyKey` it may be repeated without a second mail. */
  start(
    fields: { emailAddress: string; purpose: Purpose; redirectUrl?: string; locale?: string },
    options?: { idempotencyKey?: string; signal?: AbortSignal },
  ): Promise<Attempt>;
  /** Waits until the attempt is over, however long the network or the service is away meanwhile. */
  wait(attempt: Attempt, options?: { signal?: AbortSignal; onStatus?: (attempt: Attempt) => void }): Promise<Attempt>;
  get(attempt: Attempt): Promise<Attempt>;
  /** Types in the relay code. */
  enterCode(attempt: Attempt, code: string): Promise<Attempt>;
  resend(attempt: Attempt, options?: { signal?: AbortSignal }): Promise<Attempt>;
  cancel(attempt: Attempt): Promise<Attempt>;
  /** Turns a verified attempt into the session or, for `verify_email`, the email proof. */
  redeem(attempt: Attempt, options?: { signal?: AbortSignal }): Promise<SessionData | EmailProofData>;
  /** Who is signed in, asked anew. */
  readSession(): Promise<SessionData | null>;
}

/** A client of the service at this URL. It does nothing before its methods are called, and needs no browser to be made. */
export function createLinkgate(options: LinkgateOptions): Linkgate;
