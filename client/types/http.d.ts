/**
 * @typedef {object} RequestOptions
 * @property {Record<string, unknown>} [body] Sent as JSON.
 * @property {Record<string, string>} [headers]
 * @property {string} [token] Sent as `Authorization: Bearer`.
 * @property {AbortSignal} [signal]
 * @property {number} [timeout] Milliseconds.
 */
/**
 * A controller that `signal` aborts, too. `release` detaches it from the signal.
 * `AbortSignal.any` would do, but Safari has it only since 17.4.
 * @param {AbortSignal} [signal]
 */
export function linkedAbort(signal?: AbortSignal): {
    signal: AbortSignal;
    abort: () => void;
    release: () => void | undefined;
};
export class Http {
    /** @param {string} base The service's URL without a trailing slash. */
    constructor(base: string);
    /**
     * @param {string} method
     * @param {string} path
     * @param {RequestOptions} [options]
     * @returns {Promise<any>} The JSON of the response.
     */
    request(method: string, path: string, { signal, timeout, ...options }?: RequestOptions): Promise<any>;
    #private;
}
export type RequestOptions = {
    /**
     * Sent as JSON.
     */
    body?: Record<string, unknown> | undefined;
    headers?: Record<string, string> | undefined;
    /**
     * Sent as `Authorization: Bearer`.
     */
    token?: string | undefined;
    signal?: AbortSignal | undefined;
    /**
     * Milliseconds.
     */
    timeout?: number | undefined;
};
