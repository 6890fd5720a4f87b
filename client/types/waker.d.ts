export class Waker {
    /** Calls all callbacks, unless the page is hidden. */
    wake: () => void;
    /**
     * Listens to the page's events as long as there is a callback.
     * @param {() => void} callback
     * @returns {() => void} Removes the callback.
     */
    add(callback: () => void): () => void;
    /**
     * Resolves after 1 to 1.5 times `ms`, or earlier when aborted or, if `wakeable`, woken.
     * @param {number} ms
     * @param {AbortSignal} [signal]
     * @param {boolean} [wakeable]
     * @returns {Promise<void>}
     */
    sleep(ms: number, signal?: AbortSignal, wakeable?: boolean): Promise<void>;
    /**
     * Sleeps after a transient failure. Waking cuts the sleep short, except after a rate limit (429).
     * @param {import("./errors.js").LinkgateError} error
     * @param {number} failures Earlier failures in a row.
     * @param {AbortSignal} [signal]
     */
    backOff(error: import("./errors.js").LinkgateError, failures: number, signal?: AbortSignal): Promise<void>;
    /**
     * Repeats a call until it succeeds, fails for good, or fails after the time `until`.
     * @template T
     * @param {() => Promise<T>} call
     * @param {AbortSignal} [signal]
     * @param {number} [until] Milliseconds since 1970.
     */
    retry<T>(call: () => Promise<T>, signal?: AbortSignal, until?: number): Promise<T>;
    #private;
}
