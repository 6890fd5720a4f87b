/** One wait for the end of an attempt, through outages, rate limits and sleeping devices. */
import { linkedAbort } from "./http.js";

/** @import { Attempt } from "./types.js" */

/** After a device slept, its connections are often dead without having failed: older requests are made again. */
const SUSPECT_AFTER = 10_000;
/** A response after less than this, without news, means that the service does not hold responses now. */
const HELD_AT_LEAST = 5000;
/** No attempt outlives its link by more than five minutes. */
export const GRACE = 300_000;

const OVER = ["verified", "denied", "canceled", "expired", "failed"];

/** @param {Pick<Attempt, "status">} attempt */
export const isOver = (attempt) => OVER.includes(attempt.status);

export class Wait {
  #attempts;
  #waker;
  #attempt;
  #signal;
  #onStatus;
  /** Failures in a row. */
  #failures = 0;
  /** Responses in a row that the service did not hold. */
  #early = 0;

  /**
   * @param {{ poll(attempt: Attempt, signal: AbortSignal): Promise<Attempt> }} attempts
   * @param {import("./waker.js").Waker} waker
   * @param {Attempt} attempt
   * @param {{ signal?: AbortSignal, onStatus?: (attempt: Attempt) => void }} [options]
   */
  constructor(attempts, waker, attempt, { signal, onStatus } = {}) {
    this.#attempts = attempts;
    this.#waker = waker;
    this.#attempt = attempt;
    this.#signal = signal;
    this.#onStatus = onStatus;
  }

  /** @returns {Promise<Attempt>} */
  async run() {
    while (!isOver(this.#attempt)) {
      this.#signal?.throwIfAborted();
      await this.#round();
    }
    return this.#attempt;
  }

  /** One request, and the pause that its outcome calls for. */
  async #round() {
    const began = Date.now();
    let next;
    try {
      next = await this.#poll(began);
    } catch (/** @type {any} */ error) {
      return this.#failed(error);
    }
    if (!next) return;
    this.#failures = 0;
    if (next.status !== this.#attempt.status) {
      this.#early = 0;
      return this.#change(next);
    }
    this.#attempt = next;
    // The service may answer early: when it shuts down or holds too many requests already.
    if (Date.now() - began < HELD_AT_LEAST) await this.#waker.sleep(Math.min(25_000, 1000 * 2 ** this.#early++), this.#signal);
  }

  /**
   * @param {number} began
   * @returns {Promise<Attempt | null>} null if a wake-up gave the request up.
   */
  async #poll(began) {
    const linked = linkedAbort(this.#signal);
    const remove = this.#waker.add(() => Date.now() - began > SUSPECT_AFTER && linked.abort());
    try {
      return await this.#attempts.poll(this.#attempt, linked.signal);
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (linked.signal.aborted) return null;
      throw error;
    } finally {
      remove();
      linked.release();
    }
  }

  /** @param {any} error */
  async #failed(error) {
    this.#signal?.throwIfAborted();
    const unknown = ["attempt_token_invalid", "attempt_not_found"].includes(error.code);
    // An attempt that was started elsewhere has no skew: take the clocks for equal.
    const past = Date.now() + (this.#attempt.skew ?? 0) - Date.parse(this.#attempt.expires_at);
    if (past > (unknown ? -5000 : GRACE)) this.#change({ ...this.#attempt, status: "expired" });
    else if (unknown) this.#change({ ...this.#attempt, status: "failed", failure: "state_lost" });
    else if (error.transient) await this.#waker.backOff(error, this.#failures++, this.#signal);
    else throw error;
  }

  /** @param {Attempt} next */
  #change(next) {
    this.#attempt = next;
    this.#onStatus?.(next);
  }
}
