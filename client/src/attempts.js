/** The routes of an attempt, one method each. */
import { Wait } from "./wait.js";

/** @import { Attempt, LinkgateMethods } from "./types.js" */

export class Attempts {
  #http;
  #waker;
  #token;

  /**
   * @param {import("./http.js").Http} http
   * @param {import("./waker.js").Waker} waker
   * @param {import("./session-token.js").SessionToken} token
   */
  constructor(http, waker, token) {
    this.#http = http;
    this.#waker = waker;
    this.#token = token;
  }

  /**
   * Responses after the first lack the attempt token: merging keeps it.
   * @param {string} method
   * @param {Attempt} attempt
   * @param {string} [rest] The path below the attempt.
   * @param {import("./http.js").RequestOptions} [options]
   * @returns {Promise<Attempt>}
   */
  async #update(method, attempt, rest, options) {
    return { ...attempt, ...(await this.#request(method, attempt, rest, options)) };
  }

  /**
   * @param {string} method
   * @param {Attempt} attempt
   * @param {string} [rest]
   * @param {import("./http.js").RequestOptions} [options]
   */
  #request(method, { id, attempt_token: token }, rest = "", options = {}) {
    return this.#http.request(method, `/v1/attempts/${encodeURIComponent(id)}${rest}`, { token, ...options });
  }

  /** @type {LinkgateMethods["start"]} */
  start = async ({ emailAddress, purpose, redirectUrl, locale }, { idempotencyKey, signal } = {}) => {
    const body = { email_address: emailAddress, purpose, redirect_url: redirectUrl, locale };
    const headers = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : undefined;
    const attempt = await this.#http.request("POST", "/v1/attempts", { body, headers, signal });
    return { ...attempt, skew: Date.parse(attempt.created_at) - Date.now() };
  };

  /** @type {LinkgateMethods["wait"]} */
  wait = (attempt, options) => new Wait(this, this.#waker, attempt, options).run();

  /** @type {LinkgateMethods["get"]} */
  get = (attempt) => this.#update("GET", attempt);

  /**
   * Asks the service to hold its response until the status changes, 25 s at most.
   * @param {Attempt} attempt
   * @param {AbortSignal} signal
   */
  poll(attempt, signal) {
    return this.#update("GET", attempt, `?seen=${attempt.status}`, { headers: { Prefer: "wait=25" }, signal, timeout: 40_000 });
  }

  /** @type {LinkgateMethods["enterCode"]} */
  enterCode = (attempt, code) => this.#update("POST", attempt, "/code", { body: { code: code.replace(/\D/g, "") } });

  /** @type {LinkgateMethods["resend"]} */
  resend = (attempt, { signal } = {}) => this.#update("POST", attempt, "/resend", { signal });

  /** @type {LinkgateMethods["cancel"]} */
  cancel = async (attempt) => ({ ...(await this.#update("DELETE", attempt)), status: "canceled" });

  /** @type {LinkgateMethods["redeem"]} */
  redeem = async (attempt, { signal } = {}) => {
    const answer = await this.#request("POST", attempt, "/redeem", { signal });
    if (answer.session_token) this.#token.replace(answer);
    return answer;
  };
}
