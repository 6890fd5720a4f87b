/** The errors that the client throws. */
/** @typedef {{ code: string, message: string, longMessage: string, meta: Record<string, unknown> }} ErrorEntry */
/** A problem (RFC 9457) with all its members, or `code: "network_error"` and `status: 0` when no response arrived. */
export class LinkgateError extends Error {
    /**
     * @param {{ code: string, status: number, title?: string, detail?: string, [member: string]: unknown }} problem
     * @param {{ retryAfter?: number | null, cause?: unknown }} [more]
     */
    constructor(problem: {
        code: string;
        status: number;
        title?: string;
        detail?: string;
        [member: string]: unknown;
    }, { retryAfter, cause }?: {
        retryAfter?: number | null;
        cause?: unknown;
    });
    code: string;
    status: number;
    title: string | undefined;
    detail: string | undefined;
    request_id: string | undefined;
    /** Only for `code_incorrect`. */
    code_tries_left: number | undefined;
    /** Seconds. */
    retryAfter: number | null;
    /** The same error, in the form that components written against Clerk expect. @type {ErrorEntry[]} */
    errors: ErrorEntry[];
    /** Whether the same request may succeed later. */
    get transient(): boolean;
}
export function invalidUse(code: string, detail: string): LinkgateError;
/** @type {{ readonly Expired: "expired", readonly Failed: "failed", readonly ClientMismatch: "client_mismatch" }} */
export const EmailLinkErrorCode: {
    readonly Expired: "expired";
    readonly Failed: "failed";
    readonly ClientMismatch: "client_mismatch";
};
export const EmailLinkErrorCodeStatus: {
    readonly Expired: "expired";
    readonly Failed: "failed";
    readonly ClientMismatch: "client_mismatch";
};
/** What `handleEmailLinkVerification` throws. */
export class EmailLinkError extends Error {
    /** @param {"expired" | "failed" | "client_mismatch"} code */
    constructor(code: "expired" | "failed" | "client_mismatch");
    code: "failed" | "expired" | "client_mismatch";
}
export function isEmailLinkError(error: any): error is EmailLinkError;
export type ErrorEntry = {
    code: string;
    message: string;
    longMessage: string;
    meta: Record<string, unknown>;
};
