export type ErrorEntry = import("./errors.js").ErrorEntry;
export type Purpose = "sign_in" | "sign_up" | "verify_email";
export type Status = "pending" | "awaiting_code" | "verified" | "denied" | "canceled" | "expired" | "failed";
/**
 * One sign-in, sign-up or address verification, as the HTTP API describes it.
 */
export type Attempt = {
    id: string;
    /**
     * Authenticates polling. Only the first response has it; the client keeps it.
     */
    attempt_token: string;
    status: Status;
    purpose: Purpose;
    /**
     * As the person typed it.
     */
    email_address: string;
    created_at?: string | undefined;
    expires_at: string;
    resend_after: string;
    verified_at?: string | null | undefined;
    verified_from_same_client?: boolean | null | undefined;
    signed_in?: "both" | "opener" | "requester" | null | undefined;
    session_id?: string | null | undefined;
    code_tries_left?: number | null | undefined;
    failure?: "too_many_codes" | "mail_rejected" | "state_lost" | undefined;
    /**
     * The service's clock minus this device's, in milliseconds; set by `start`.
     */
    skew?: number | undefined;
};
/**
 * A session, as the HTTP API describes it.
 */
export type SessionData = {
    id: string;
    user: {
        id: string;
        email_address: string;
    };
    client_id: string;
    expires_at: string;
    /**
     * Only `redeem` returns it.
     */
    session_token?: string | undefined;
    /**
     * Lifetime of the session token, in seconds.
     */
    expires_in?: number | undefined;
};
/**
 * What redeeming a `verify_email` attempt returns.
 */
export type EmailProofData = {
    email_proof: string;
    /**
     * Seconds.
     */
    expires_in: number;
    email_address: string;
    user: {
        id: string;
    } | null;
};
export type Verification = {
    status: "unverified" | "verified" | "expired" | "failed" | "client_mismatch";
    strategy: "email_link";
    /**
     * When the newest link expires; null until one is sent.
     */
    expireAt: Date | null;
    /**
     * Why the address is not verified: how
     * the attempt ended (`denied`, `canceled`, `too_many_codes`, …) or why redeeming it failed.
     */
    error: {
        code: string;
        message: string;
        longMessage: string;
    } | null;
    /**
     * This client's id if the link was opened here, else null: the service does
     * not reveal the ids of other clients.
     */
    verifiedAtClient: string | null;
    verifiedFromTheSameClient: () => boolean;
};
export type StartEmailLinkFlowParams = {
    /**
     * Where the opened link leads, relative to the page. The service must allow it.
     */
    redirectUrl: string;
    /**
     * Cancels the flow. With a signal, the promise of a cancelled flow rejects; without
     * one, it stays pending.
     */
    signal?: AbortSignal | undefined;
};
export type EmailLinkFlow<Resource, Params = StartEmailLinkFlowParams> = {
    /**
     * Sends one mail, waits, and resolves with the
     * same resource however the attempt ends.
     */
    startEmailLinkFlow: (params: Params) => Promise<Resource>;
    /**
     * Stops waiting at once. Safe to call at any time and more than once.
     */
    cancelEmailLinkFlow: () => void;
};
export type EmailLinkFactor = {
    strategy: "email_link";
    emailAddressId: string;
    /**
     * The address exactly as typed.
     */
    safeIdentifier: string;
};
export type SignInResource = {
    id: string | null;
    status: "needs_identifier" | "needs_first_factor" | "complete";
    identifier: string | null;
    supportedFirstFactors: EmailLinkFactor[];
    firstFactorVerification: Verification;
    createdSessionId: string | null;
    /**
     * Changes this object in place and
     * resolves to it.
     */
    create: (params: {
        identifier: string;
    }) => Promise<SignInResource>;
    createEmailLinkFlow: () => EmailLinkFlow<SignInResource, StartEmailLinkFlowParams & {
        emailAddressId?: string;
    }>;
};
export type SignUpResource = {
    id: string | null;
    /**
     * null before `create`; `abandoned` when
     * the attempt was denied, canceled or failed.
     */
    status: "missing_requirements" | "complete" | "abandoned" | null;
    emailAddress: string | null;
    missingFields: string[];
    unverifiedFields?: string[] | undefined;
    verifications: {
        emailAddress: Verification;
    };
    createdSessionId: string | null;
    createdUserId: string | null;
    /**
     * Changes this object in place and
     * resolves to it.
     */
    create: (params: {
        emailAddress: string;
    }) => Promise<SignUpResource>;
    createEmailLinkFlow: () => EmailLinkFlow<SignUpResource>;
};
export type EmailAddressResource = {
    id: string;
    emailAddress: string;
    verification: Verification;
    linkedTo: [];
    /**
     * Once verified, a JWT for the application's back end, which stores the address.
     * Valid for five minutes.
     */
    emailProof: string | null;
    createEmailLinkFlow: () => EmailLinkFlow<EmailAddressResource>;
    toString: () => string;
};
export type UserResource = {
    id: string;
    primaryEmailAddress: EmailAddressResource;
    primaryEmailAddressId: string;
    /**
     * The address that signed in and those added in this page.
     */
    emailAddresses: EmailAddressResource[];
    createEmailAddress: (params: {
        email: string;
    }) => Promise<EmailAddressResource>;
    reload: () => Promise<UserResource>;
};
export type SessionResource = {
    id: string;
    status: "active";
    user: UserResource;
    expireAt: Date;
    getToken: (options?: {
        skipCache?: boolean;
    }) => Promise<string | null>;
    end: () => Promise<void>;
    remove: () => Promise<void>;
};
export type ClientResource = {
    id: string | null;
    sessions: SessionResource[];
    signIn: SignInResource;
    signUp: SignUpResource;
};
export type SetActiveParams = {
    session?: string | SessionResource | null | undefined;
    /**
     * Awaited while `session` is undefined.
     */
    beforeEmit?: ((session: SessionResource | null | undefined) => unknown) | undefined;
    redirectUrl?: string | undefined;
    navigate?: ((params: {
        session: SessionResource | null | undefined;
        decorateUrl: (url: string) => string;
    }) => unknown) | undefined;
};
export type HandleEmailLinkVerificationParams = {
    /**
     * Where to go if this client's own sign-in or sign-up is still incomplete.
     */
    redirectUrl?: string | undefined;
    /**
     * Where to go once this client is signed in.
     */
    redirectUrlComplete?: string | undefined;
    onVerifiedOnOtherDevice?: (() => void) | undefined;
};
/**
 * What listeners receive.
 */
export type Emission = {
    client: ClientResource;
    session: SessionResource | null | undefined;
    user: UserResource | null | undefined;
};
/**
 * A request for the six digits that the page of the opened link shows.
 */
export type RelayCodeRequest = {
    emailAddress: string;
    triesLeft: number | null;
    /**
     * Aborted when the code is no longer needed.
     */
    signal: AbortSignal;
    /**
     * Rejects with `code_incorrect` and `code_tries_left` if the code is
     * wrong.
     */
    submit: (code: string) => Promise<void>;
};
export type RelayCodeTexts = {
    title: string;
    /**
     * `{email}` stands for the address.
     */
    text: string;
    warning: string;
    label: string;
    submit: string;
    cancel: string;
    /**
     * `{left}` stands for the number of tries left.
     */
    wrong: string;
};
export type LinkgateOptions = {
    /**
     * The service's URL, for example `https://login.example.com`.
     */
    url: string;
    /**
     * Language of the mails; by default the browser's.
     */
    locale?: string | undefined;
    /**
     * Replaces texts of the relay-code dialog.
     */
    texts?: Partial<RelayCodeTexts> | undefined;
    /**
     * Asks for the relay code in place of the dialog.
     */
    onRelayCode?: ((request: RelayCodeRequest) => void) | undefined;
};
export type SignOut = (then?: {
    redirectUrl?: string;
} | (() => unknown)) => Promise<void>;
export type StartFields = {
    emailAddress: string;
    purpose: Purpose;
    redirectUrl?: string | undefined;
    locale?: string | undefined;
};
export type LinkgateState = {
    url: string;
    loaded: boolean;
    /**
     * undefined until loaded.
     */
    client: ClientResource | undefined;
    /**
     * undefined until loaded and while `setActive` runs; null when
     * nobody is signed in.
     */
    session: SessionResource | null | undefined;
    user: UserResource | null | undefined;
};
/**
 * None of these methods needs its `this`. The ones from `start` on map to one route of the HTTP API each.
 */
export type LinkgateMethods = {
    /**
     * Finds out who is signed in. Resolves when the service has answered, however long
     * that takes.
     */
    load: () => Promise<void>;
    setActive: (params: SetActiveParams) => Promise<void>;
    signOut: SignOut;
    /**
     * The session token for
     * `Authorization: Bearer`, renewed before it expires; null when nobody is signed in.
     */
    getToken: (options?: {
        skipCache?: boolean;
    }) => Promise<string | null>;
    /**
     *   For the page that links lead to. Rejects with an EmailLinkError. `navigate` replaces the browser's own navigation.
     */
    handleEmailLinkVerification: (params?: HandleEmailLinkVerificationParams, navigate?: (to: string) => unknown) => Promise<unknown>;
    /**
     * Calls back on each change and, once
     * loaded, immediately. Returns a function that removes the listener.
     */
    addListener: (listener: (emission: Emission) => void) => () => void;
    /**
     *   Has a link mailed. Repeating the call with the same `idempotencyKey` sends no second mail.
     */
    start: (fields: StartFields, options?: {
        idempotencyKey?: string;
        signal?: AbortSignal;
    }) => Promise<Attempt>;
    /**
     *   Waits until the attempt is over, however long the network or the service is down.
     */
    wait: (attempt: Attempt, options?: {
        signal?: AbortSignal;
        onStatus?: (attempt: Attempt) => void;
    }) => Promise<Attempt>;
    get: (attempt: Attempt) => Promise<Attempt>;
    /**
     * Submits the relay code.
     */
    enterCode: (attempt: Attempt, code: string) => Promise<Attempt>;
    resend: (attempt: Attempt, options?: {
        signal?: AbortSignal;
    }) => Promise<Attempt>;
    cancel: (attempt: Attempt) => Promise<Attempt>;
    /**
     *   Exchanges a verified attempt for the session or, for `verify_email`, the email proof.
     */
    redeem: (attempt: Attempt, options?: {
        signal?: AbortSignal;
    }) => Promise<SessionData | EmailProofData>;
    /**
     * Asks the service who is signed in.
     */
    readSession: () => Promise<SessionData | null>;
};
export type Linkgate = Readonly<LinkgateState> & LinkgateMethods;
