/** The public types, as TypeScript users import them from "linkgate". */

/** @typedef {import("./errors.js").ErrorEntry} ErrorEntry */

/** @typedef {"sign_in" | "sign_up" | "verify_email"} Purpose */
/** @typedef {"pending" | "awaiting_code" | "verified" | "denied" | "canceled" | "expired" | "failed"} Status */

/**
 * One sign-in, sign-up or address verification, as the HTTP API describes it.
 * @typedef {object} Attempt
 * @property {string} id
 * @property {string} attempt_token Authenticates polling. Only the first response has it; the client keeps it.
 * @property {Status} status
 * @property {Purpose} purpose
 * @property {string} email_address As the person typed it.
 * @property {string} [created_at]
 * @property {string} expires_at
 * @property {string} resend_after
 * @property {string | null} [verified_at]
 * @property {boolean | null} [verified_from_same_client]
 * @property {"requester" | "opener" | "both" | null} [signed_in]
 * @property {string | null} [session_id]
 * @property {number | null} [code_tries_left]
 * @property {"too_many_codes" | "mail_rejected" | "state_lost"} [failure]
 * @property {number} [skew] The service's clock minus this device's, in milliseconds; set by `start`.
 */

/**
 * A session, as the HTTP API describes it.
 * @typedef {object} SessionData
 * @property {string} id
 * @property {{ id: string, email_address: string }} user
 * @property {string} client_id
 * @property {string} expires_at
 * @property {string} [session_token] Only `redeem` returns it.
 * @property {number} [expires_in] Lifetime of the session token, in seconds.
 */

/**
 * What redeeming a `verify_email` attempt returns.
 * @typedef {object} EmailProofData
 * @property {string} email_proof
 * @property {number} expires_in Seconds.
 * @property {string} email_address
 * @property {{ id: string } | null} user
 */

/**
 * @typedef {object} Verification
 * @property {"unverified" | "verified" | "expired" | "failed" | "client_mismatch"} status
 * @property {"email_link"} strategy
 * @property {Date | null} expireAt When the newest link expires; null until one is sent.
 * @property {{ code: string, message: string, longMessage: string } | null} error Why the address is not verified: how
 *   the attempt ended (`denied`, `canceled`, `too_many_codes`, …) or why redeeming it failed.
 * @property {string | null} verifiedAtClient This client's id if the link was opened here, else null: the service does
 *   not reveal the ids of other clients.
 * @property {() => boolean} verifiedFromTheSameClient
 */

/**
 * @typedef {object} StartEmailLinkFlowParams
 * @property {string} redirectUrl Where the opened link leads, relative to the page. The service must allow it.
 * @property {AbortSignal} [signal] Cancels the flow. With a signal, the promise of a cancelled flow rejects; without
 *   one, it stays pending.
 */

/**
 * @template Resource
 * @template [Params=StartEmailLinkFlowParams]
 * @typedef {object} EmailLinkFlow
 * @property {(params: Params) => Promise<Resource>} startEmailLinkFlow Sends one mail, waits, and resolves with the
 *   same resource however the attempt ends.
 * @property {() => void} cancelEmailLinkFlow Stops waiting at once. Safe to call at any time and more than once.
 */

/**
 * @typedef {object} EmailLinkFactor
 * @property {"email_link"} strategy
 * @property {string} emailAddressId
 * @property {string} safeIdentifier The address exactly as typed.
 */

/**
 * @typedef {object} SignInResource
 * @property {string | null} id
 * @property {"needs_identifier" | "needs_first_factor" | "complete"} status
 * @property {string | null} identifier
 * @property {EmailLinkFactor[]} supportedFirstFactors
 * @property {Verification} firstFactorVerification
 * @property {string | null} createdSessionId
 * @property {(params: { identifier: string }) => Promise<SignInResource>} create Changes this object in place and
 *   resolves to it.
 * @property {() => EmailLinkFlow<SignInResource, StartEmailLinkFlowParams & { emailAddressId?: string }>} createEmailLinkFlow
 */

/**
 * @typedef {object} SignUpResource
 * @property {string | null} id
 * @property {"missing_requirements" | "complete" | "abandoned" | null} status null before `create`; `abandoned` when
 *   the attempt was denied, canceled or failed.
 * @property {string | null} emailAddress
 * @property {string[]} missingFields
 * @property {string[]} [unverifiedFields]
 * @property {{ emailAddress: Verification }} verifications
 * @property {string | null} createdSessionId
 * @property {string | null} createdUserId
 * @property {(params: { emailAddress: string }) => Promise<SignUpResource>} create Changes this object in place and
 *   resolves to it.
 * @property {() => EmailLinkFlow<SignUpResource>} createEmailLinkFlow
 */

/**
 * @typedef {object} EmailAddressResource
 * @property {string} id
 * @property {string} emailAddress
 * @property {Verification} verification
 * @property {[]} linkedTo
 * @property {string | null} emailProof Once verified, a JWT for the application's back end, which stores the address.
 *   Valid for five minutes.
 * @property {() => EmailLinkFlow<EmailAddressResource>} createEmailLinkFlow
 * @property {() => string} toString
 */

/**
 * @typedef {object} UserResource
 * @property {string} id
 * @property {EmailAddressResource} primaryEmailAddress
 * @property {string} primaryEmailAddressId
 * @property {EmailAddressResource[]} emailAddresses The address that signed in and those added in this page.
 * @property {(params: { email: string }) => Promise<EmailAddressResource>} createEmailAddress
 * @property {() => Promise<UserResource>} reload
 */

/**
 * @typedef {object} SessionResource
 * @property {string} id
 * @property {"active"} status
 * @property {UserResource} user
 * @property {Date} expireAt
 * @property {(options?: { skipCache?: boolean }) => Promise<string | null>} getToken
 * @property {() => Promise<void>} end
 * @property {() => Promise<void>} remove
 */

/**
 * @typedef {object} ClientResource
 * @property {string | null} id
 * @property {SessionResource[]} sessions
 * @property {SignInResource} signIn
 * @property {SignUpResource} signUp
 */

/**
 * @typedef {object} SetActiveParams
 * @property {string | SessionResource | null} [session]
 * @property {(session: SessionResource | null | undefined) => unknown} [beforeEmit] Awaited while `session` is undefined.
 * @property {string} [redirectUrl]
 * @property {(params: { session: SessionResource | null | undefined, decorateUrl: (url: string) => string }) => unknown} [navigate]
 */

/**
 * @typedef {object} HandleEmailLinkVerificationParams
 * @property {string} [redirectUrl] Where to go if this client's own sign-in or sign-up is still incomplete.
 * @property {string} [redirectUrlComplete] Where to go once this client is signed in.
 * @property {() => void} [onVerifiedOnOtherDevice]
 */

/**
 * What listeners receive.
 * @typedef {object} Emission
 * @property {ClientResource} client
 * @property {SessionResource | null | undefined} session
 * @property {UserResource | null | undefined} user
 */

/**
 * A request for the six digits that the page of the opened link shows.
 * @typedef {object} RelayCodeRequest
 * @property {string} emailAddress
 * @property {number | null} triesLeft
 * @property {AbortSignal} signal Aborted when the code is no longer needed.
 * @property {(code: string) => Promise<void>} submit Rejects with `code_incorrect` and `code_tries_left` if the code is
 *   wrong.
 */

/**
 * @typedef {object} RelayCodeTexts
 * @property {string} title
 * @property {string} text `{email}` stands for the address.
 * @property {string} warning
 * @property {string} label
 * @property {string} submit
 * @property {string} cancel
 * @property {string} wrong `{left}` stands for the number of tries left.
 */

/**
 * @typedef {object} LinkgateOptions
 * @property {string} url The service's URL, for example `https://login.example.com`.
 * @property {string} [locale] Language of the mails; by default the browser's.
 * @property {Partial<RelayCodeTexts>} [texts] Replaces texts of the relay-code dialog.
 * @property {(request: RelayCodeRequest) => void} [onRelayCode] Asks for the relay code in place of the dialog.
 */

/** @typedef {(then?: { redirectUrl?: string } | (() => unknown)) => Promise<void>} SignOut */

/**
 * @typedef {object} StartFields
 * @property {string} emailAddress
 * @property {Purpose} purpose
 * @property {string} [redirectUrl]
 * @property {string} [locale]
 */

/**
 * @typedef {object} LinkgateState
 * @property {string} url
 * @property {boolean} loaded
 * @property {ClientResource | undefined} client undefined until loaded.
 * @property {SessionResource | null | undefined} session undefined until loaded and while `setActive` runs; null when
 *   nobody is signed in.
 * @property {UserResource | null | undefined} user
 */

/**
 * None of these methods needs its `this`. The ones from `start` on map to one route of the HTTP API each.
 * @typedef {object} LinkgateMethods
 * @property {() => Promise<void>} load Finds out who is signed in. Resolves when the service has answered, however long
 *   that takes.
 * @property {(params: SetActiveParams) => Promise<void>} setActive
 * @property {SignOut} signOut
 * @property {(options?: { skipCache?: boolean }) => Promise<string | null>} getToken The session token for
 *   `Authorization: Bearer`, renewed before it expires; null when nobody is signed in.
 * @property {(params?: HandleEmailLinkVerificationParams, navigate?: (to: string) => unknown) => Promise<unknown>} handleEmailLinkVerification
 *   For the page that links lead to. Rejects with an EmailLinkError. `navigate` replaces the browser's own navigation.
 * @property {(listener: (emission: Emission) => void) => () => void} addListener Calls back on each change and, once
 *   loaded, immediately. Returns a function that removes the listener.
 * @property {(fields: StartFields, options?: { idempotencyKey?: string, signal?: AbortSignal }) => Promise<Attempt>} start
 *   Has a link mailed. Repeating the call with the same `idempotencyKey` sends no second mail.
 * @property {(attempt: Attempt, options?: { signal?: AbortSignal, onStatus?: (attempt: Attempt) => void }) => Promise<Attempt>} wait
 *   Waits until the attempt is over, however long the network or the service is down.
 * @property {(attempt: Attempt) => Promise<Attempt>} get
 * @property {(attempt: Attempt, code: string) => Promise<Attempt>} enterCode Submits the relay code.
 * @property {(attempt: Attempt, options?: { signal?: AbortSignal }) => Promise<Attempt>} resend
 * @property {(attempt: Attempt) => Promise<Attempt>} cancel
 * @property {(attempt: Attempt, options?: { signal?: AbortSignal }) => Promise<SessionData | EmailProofData>} redeem
 *   Exchanges a verified attempt for the session or, for `verify_email`, the email proof.
 * @property {() => Promise<SessionData | null>} readSession Asks the service who is signed in.
 */

/** @typedef {Readonly<LinkgateState> & LinkgateMethods} Linkgate */

export {};
