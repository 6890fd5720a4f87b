/** Requests to the service's HTTP API. */
import { LinkgateError } from "./errors.js";

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
export function linkedAbort(signal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  signal?.addEventListener("abort", abort);
  return { signal: controller.signal, abort, release: () => signal?.removeEventListener("abort", abort) };
}

/**
 * Seconds until a retry is allowed: `Retry-After` is a number of seconds or a date.
 * @param {Response} response
 */
function retryAfter(response) {
  const value = response.headers.get("retry-after") ?? "";
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return seconds >= 0 ? seconds : null;
}

export class Http {
  #base;

  /** @param {string} base The service's URL without a trailing slash. */
  constructor(base) {
    this.#base = base;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {RequestOptions} [options]
   * @returns {Promise<any>} The JSON of the response.
   */
  async request(method, path, { signal, timeout = 20_000, ...options } = {}) {
    signal?.throwIfAborted();
    const linked = linkedAbort(signal);
    const timer = setTimeout(linked.abort, timeout);
    let response, data;
    try {
      response = await this.#fetch(method, path, linked.signal, options);
      data = await this.#json(response);
    } catch (cause) {
      signal?.throwIfAborted();
      throw new LinkgateError({ code: "network_error", status: 0, title: "No answer from the service" }, { cause });
    } finally {
      clearTimeout(timer);
      linked.release();
    }
    if (response.ok) return data;
    const { status } = response;
    throw new LinkgateError({ code: "unknown", title: `HTTP ${status}`, ...data, status }, { retryAfter: retryAfter(response) });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {AbortSignal} signal
   * @param {RequestOptions} options
   */
  #fetch(method, path, signal, { body, headers, token }) {
    return fetch(this.#base + path, {
      method,
      headers: {
        Accept: "application/json, application/problem+json",
        ...(body && { "Content-Type": "application/json" }),
        ...(token && { Authorization: `Bearer ${token}` }),
        ...headers,
      },
      body: body && JSON.stringify(body),
      credentials: "include",
      cache: "no-store",
      signal,
    });
  }

  /** @param {Response} response */
  async #json(response) {
    const text = await response.text();
    try {
      return text && JSON.parse(text);
    } catch (error) {
      // A proxy's error page keeps its status. A proxy's 2xx page counts as no response at all.
      if (response.ok) throw error;
    }
  }
}
