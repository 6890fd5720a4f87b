/** The errors that the client throws. */

/** @typedef {{ code: string, message: string, longMessage: string, meta: Record<string, unknown> }} ErrorEntry */

/** A problem (RFC 9457) with all its members, or `code: "network_error"` and `status: 0` when no response arrived. */
export class LinkgateError extends Error {
  /**
   * @param {{ code: string, status: number, title?: string, detail?: string, [member: string]: unknown }} problem
   * @param {{ retryAfter?: number | null, cause?: unknown }} [more]
   */
  constructor(problem, { retryAfter = null, cause } = {}) {
    super(problem.detail ?? problem.title ?? problem.code, { cause });
    Object.assign(this, problem);
    this.name = "LinkgateError";
    this.code = problem.code;
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail;
    this.request_id = /** @type {string | undefined} */ (problem.request_id);
    /** Only for `code_incorrect`. */
    this.code_tries_left = /** @type {number | undefined} */ (problem.code_tries_left);
    /** Seconds. */
    this.retryAfter = retryAfter;
    const message = problem.title ?? this.message;
    /** The same error, in the form that components written against Clerk expect. @type {ErrorEntry[]} */
    this.errors = [{ code: problem.code, message, longMessage: this.message, meta: {} }];
  }
  /** Whether the same request may succeed later. */
  get transient() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * An error that the client itself detects, without asking the service.
 * @param {string} code
 * @param {string} detail
 */
export const invalidUse = (code, detail) => new LinkgateError({ code, status: 400, detail });

/** @type {{ readonly Expired: "expired", readonly Failed: "failed", readonly ClientMismatch: "client_mismatch" }} */
export const EmailLinkErrorCode = { Expired: "expired", Failed: "failed", ClientMismatch: "client_mismatch" };
export const EmailLinkErrorCodeStatus = EmailLinkErrorCode;

/** What `handleEmailLinkVerification` throws. */
export class EmailLinkError extends Error {
  /** @param {"expired" | "failed" | "client_mismatch"} code */
  constructor(code) {
    super(code);
    this.name = "EmailLinkError";
    this.code = code;
  }
}

/**
 * Goes by name, not by class: one page may load several copies of this module.
 * @param {any} error
 * @returns {error is EmailLinkError}
 */
export const isEmailLinkError = (error) => error?.name === "EmailLinkError";
