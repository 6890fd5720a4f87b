/** The pending attempt in localStorage, for reloads and the verification page. Without storage, a reload forgets it. */
/** @typedef {{ address: string, attempt: import("./types.js").Attempt, to?: string }} Pending `to`: the redirect URL */
export class PendingAttempt {
    /** @param {string} base @param {string} purpose */
    constructor(base: string, purpose: string);
    /** @returns {Pending | null} */
    read(): Pending | null;
    /** @param {Pending | null} pending */
    write(pending: Pending | null): void;
    #private;
}
/**
 * `to`: the redirect URL
 */
export type Pending = {
    address: string;
    attempt: import("./types.js").Attempt;
    to?: string;
};
