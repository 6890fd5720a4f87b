export class Arrival {
    /**
     * @param {import("./session.js").Session} session
     * @param {import("./waker.js").Waker} waker
     */
    constructor(session: import("./session.js").Session, waker: import("./waker.js").Waker);
    /** @type {LinkgateMethods["handleEmailLinkVerification"]} */
    handle: LinkgateMethods["handleEmailLinkVerification"];
    #private;
}
import type { LinkgateMethods } from "./types.js";
