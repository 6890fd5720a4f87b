/** No attempt outlives its link by more than five minutes. */
export const GRACE: 300000;
export function isOver(attempt: Pick<Attempt, "status">): boolean;
export class Wait {
    /**
     * @param {{ poll(attempt: Attempt, signal: AbortSignal): Promise<Attempt> }} attempts
     * @param {import("./waker.js").Waker} waker
     * @param {Attempt} attempt
     * @param {{ signal?: AbortSignal, onStatus?: (attempt: Attempt) => void }} [options]
     */
    constructor(attempts: {
        poll(attempt: Attempt, signal: AbortSignal): Promise<Attempt>;
    }, waker: import("./waker.js").Waker, attempt: Attempt, { signal, onStatus }?: {
        signal?: AbortSignal;
        onStatus?: (attempt: Attempt) => void;
    });
    /** @returns {Promise<Attempt>} */
    run(): Promise<Attempt>;
    #private;
}
import type { Attempt } from "./types.js";
