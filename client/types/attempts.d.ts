/** @import { Attempt, LinkgateMethods } from "./types.js" */
export class Attempts {
    /**
     * @param {import("./http.js").Http} http
     * @param {import("./waker.js").Waker} waker
     * @param {import("./session-token.js").SessionToken} token
     */
    constructor(http: import("./http.js").Http, waker: import("./waker.js").Waker, token: import("./session-token.js").SessionToken);
    /** @type {LinkgateMethods["start"]} */
    start: LinkgateMethods["start"];
    /** @type {LinkgateMethods["wait"]} */
    wait: LinkgateMethods["wait"];
    /** @type {LinkgateMethods["get"]} */
    get: LinkgateMethods["get"];
    /**
     * Asks the service to hold its response until the status changes, 25 s at most.
     * @param {Attempt} attempt
     * @param {AbortSignal} signal
     */
    poll(attempt: Attempt, signal: AbortSignal): Promise<Attempt>;
    /** @type {LinkgateMethods["enterCode"]} */
    enterCode: LinkgateMethods["enterCode"];
    /** @type {LinkgateMethods["resend"]} */
    resend: LinkgateMethods["resend"];
    /** @type {LinkgateMethods["cancel"]} */
    cancel: LinkgateMethods["cancel"];
    /** @type {LinkgateMethods["redeem"]} */
    redeem: LinkgateMethods["redeem"];
    #private;
}
import type { LinkgateMethods } from "./types.js";
import type { Attempt } from "./types.js";
