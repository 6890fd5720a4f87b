export function randomId(): string;
/** @template Resource */
export class EmailLink<Resource> {
    /**
     * @param {Parts} parts
     * @param {Purpose} purpose
     * @param {Owner<Resource>} owner
     * @param {import("./pending-attempt.js").PendingAttempt} [pending] Where the attempt outlives the page.
     */
    constructor(parts: Parts, purpose: Purpose, owner: Owner<Resource>, pending?: import("./pending-attempt.js").PendingAttempt);
    /**
     * Aims the link at this address. The same address again changes nothing while its attempt is live.
     * @param {string | undefined} address
     * @returns {boolean} Whether anything changed.
     */
    aim(address: string | undefined): boolean;
    /**
     * Takes up the attempt that an earlier page or another tab has stored.
     * @returns {string | null} Its address, if it is live.
     */
    restore(): string | null;
    /**
     * Somebody has signed in, which settles a pending attempt, unless a flow of this page waits for it.
     * @returns {boolean} Whether the attempt was dropped.
     */
    clear(): boolean;
    /** @returns {import("./types.js").EmailLinkFlow<Resource, any>} */
    flow: () => import("./types.js").EmailLinkFlow<Resource, any>;
    /** @param {Partial<StartEmailLinkFlowParams>} [params] */
    start: (params?: Partial<StartEmailLinkFlowParams>) => Promise<Resource>;
    cancel: () => void;
    #private;
}
/**
 * What all email links of one client share.
 */
export type Parts = {
    /**
     * The service's URL.
     */
    base: string;
    options: Pick<LinkgateOptions, "locale" | "texts" | "onRelayCode">;
    attempts: import("./attempts.js").Attempts;
    waker: import("./waker.js").Waker;
    /**
     * Where sessions go and
     * who tells listeners.
     */
    host: {
        readonly clientId: string | null;
        adopt(data: any): unknown;
        emit(): void;
    };
};
/**
 * The resource that an email link belongs to.
 */
export type Owner<Resource> = {
    /**
     * What `startEmailLinkFlow` resolves to.
     */
    resource: Resource;
    verification: import("./verification.js").Verification;
    /**
     * Throws if the parameters do not fit the resource.
     */
    check?: ((params: any) => void) | undefined;
    /**
     * Takes the end of an attempt, or null for both when
     * one begins. The result is null if the attempt was not verified or could not be redeemed.
     */
    settle: (attempt: Attempt | null, result: any) => void;
};
import type { StartEmailLinkFlowParams } from "./types.js";
import type { Purpose } from "./types.js";
import type { LinkgateOptions } from "./types.js";
import type { Attempt } from "./types.js";
