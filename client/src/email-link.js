/** The email link of one resource: starts an attempt, waits for its end, and redeems it. */
import { CodePrompt } from "./code-prompt.js";
import { invalidUse } from "./errors.js";
import { GRACE, isOver } from "./wait.js";

/** @import { Attempt, LinkgateOptions, Purpose, StartEmailLinkFlowParams } from "./types.js" */

/**
 * What all email links of one client share.
 * @typedef {object} Parts
 * @property {string} base The service's URL.
 * @property {Pick<LinkgateOptions, "locale" | "texts" | "onRelayCode">} options
 * @property {import("./attempts.js").Attempts} attempts
 * @property {import("./waker.js").Waker} waker
 * @property {{ readonly clientId: string | null, adopt(data: any): unknown, emit(): void }} host Where sessions go and
 *   who tells listeners.
 */

/**
 * The resource that an email link belongs to.
 * @template Resource
 * @typedef {object} Owner
 * @property {Resource} resource What `startEmailLinkFlow` resolves to.
 * @property {import("./verification.js").Verification} verification
 * @property {(params: any) => void} [check] Throws if the parameters do not fit the resource.
 * @property {(attempt: Attempt | null, result: any) => void} settle Takes the end of an attempt, or null for both when
 *   one begins. The result is null if the attempt was not verified or could not be redeemed.
 */

const ignore = () => {};
export const randomId = () => crypto.randomUUID().replaceAll("-", "");

/** @template Resource */
export class EmailLink {
  #parts;
  #purpose;
  #owner;
  #pending;
  #prompt;
  /** As typed. @type {string | null} */
  #address = null;
  /** @type {Attempt | null} */
  #attempt = null;
  /** Whether this page started the attempt. */
  #startedHere = false;
  /** @type {string | undefined} */
  #redirectUrl;
  /** Stays until a start succeeds or is refused: repeating it sends no second mail. @type {string | null} */
  #idempotencyKey = null;
  /** The flow in progress. @type {{ abort: AbortController, done: Promise<void> } | null} */
  #run = null;

  /**
   * @param {Parts} parts
   * @param {Purpose} purpose
   * @param {Owner<Resource>} owner
   * @param {import("./pending-attempt.js").PendingAttempt} [pending] Where the attempt outlives the page.
   */
  constructor(parts, purpose, owner, pending) {
    this.#parts = parts;
    this.#purpose = purpose;
    this.#owner = owner;
    this.#pending = pending;
    this.#prompt = new CodePrompt(parts.options);
  }

  // --- The address ---

  /**
   * Aims the link at this address. The same address again changes nothing while its attempt is live.
   * @param {string | undefined} address
   * @returns {boolean} Whether anything changed.
   */
  aim(address) {
    if (!address?.trim?.()) throw invalidUse("invalid_email_address", "An email address is required.");
    if (this.#address === address && (!this.#attempt || this.#live())) return false;
    this.#abandon();
    this.#address = address;
    this.#redirectUrl = undefined;
    this.#owner.verification.reset();
    return true;
  }

  /**
   * Takes up the attempt that an earlier page or another tab has stored.
   * @returns {string | null} Its address, if it is live.
   */
  restore() {
    const kept = this.#pending?.read();
    if (!kept) return null;
    this.#address = kept.address;
    this.#attempt = kept.attempt;
    this.#redirectUrl = kept.to;
    if (this.#live()) {
      this.#owner.verification.expireAt = new Date(kept.attempt.expires_at);
      return kept.address;
    }
    this.#address = this.#attempt = null;
    this.#redirectUrl = undefined;
    this.#pending?.write(null);
    return null;
  }

  /**
   * Somebody has signed in, which settles a pending attempt, unless a flow of this page waits for it.
   * @returns {boolean} Whether the attempt was dropped.
   */
  clear() {
    this.#pending?.write(null);
    if (this.#run || !this.#live()) return false;
    this.#address = this.#attempt = null;
    this.#owner.verification.reset();
    return true;
  }

  /** Drops the attempt, and cancels it at the service: a link to a mistyped address must not work. */
  #abandon() {
    this.cancel();
    if (this.#attempt && this.#startedHere && this.#live()) this.#parts.attempts.cancel(this.#attempt).catch(ignore);
    this.#attempt = this.#idempotencyKey = null;
    this.#startedHere = false;
    this.#pending?.write(null);
  }

  /** The service's time. */
  #now() {
    return Date.now() + (this.#attempt?.skew ?? 0);
  }

  #live() {
    const attempt = this.#attempt;
    return !!attempt && !isOver(attempt) && Date.parse(attempt.expires_at) > this.#now();
  }

  // --- The flow, as applications call it ---

  /** @returns {import("./types.js").EmailLinkFlow<Resource, any>} */
  flow = () => ({ startEmailLinkFlow: this.start, cancelEmailLinkFlow: this.cancel });

  /** @param {Partial<StartEmailLinkFlowParams>} [params] */
  start = async (params = {}) => {
    if (!this.#address) throw invalidUse("not_created", "Call create() with an email address before startEmailLinkFlow().");
    this.#owner.check?.(params);
    const { redirectUrl, signal } = params;
    signal?.throwIfAborted();
    this.#leadTo(redirectUrl);
    if (this.#run && this.#attempt) {
      // The person may have dismissed the dialog: show it again.
      this.#prompt.close();
      this.#show(this.#attempt);
    }
    const run = (this.#run ??= this.#startRun());
    const stop = () => this.#stop(run);
    signal?.addEventListener("abort", stop);
    try {
      await run.done;
    } catch (error) {
      // Without a signal, the promise of a cancelled flow stays pending.
      if (run.abort.signal.aborted && !signal) await new Promise(ignore);
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    return this.#owner.resource;
  };

  cancel = () => {
    if (this.#run) this.#stop(this.#run);
  };

  /** An attempt leads to one URL: another URL needs another attempt. @param {string} [redirectUrl] */
  #leadTo(redirectUrl) {
    const target = redirectUrl && new URL(redirectUrl, globalThis.location?.href).href;
    if (this.#redirectUrl === target) return;
    this.#abandon();
    this.#redirectUrl = target;
  }

  #startRun() {
    const abort = new AbortController();
    const { signal } = abort;
    const follow = async () => {
      // If cancelled in the same tick, as StrictMode does, the flow requests nothing.
      await null;
      signal.throwIfAborted();
      await this.#follow(signal);
    };
    const run = { abort, done: follow().finally(() => this.#run === run && (this.#run = null)) };
    return run;
  }

  /** @param {{ abort: AbortController }} run */
  #stop(run) {
    if (this.#run === run) {
      this.#run = null;
      this.#prompt.close();
    }
    run.abort.abort();
  }

  // --- The steps of a flow ---

  /** @param {AbortSignal} signal */
  async #follow(signal) {
    const begun = this.#live() ? await this.#rejoin(signal) : await this.#begin(signal);
    const attempt = await this.#parts.attempts.wait(begun, { signal, onStatus: this.#show });
    await this.#finish(attempt, signal);
  }

  /** Waits for the live attempt again; its mail is repeated if the service allows that by now. @param {AbortSignal} signal */
  async #rejoin(signal) {
    const attempt = /** @type {Attempt} */ (this.#attempt);
    if (Date.parse(attempt.resend_after) > this.#now()) return this.#show(attempt);
    try {
      return this.#show(await this.#parts.attempts.resend(attempt, { signal }));
    } catch (/** @type {any} */ error) {
      if (!["attempt_over", "resend_too_soon"].includes(error.code)) throw error;
      return attempt;
    }
  }

  /** @param {AbortSignal} signal */
  async #begin(signal) {
    this.#owner.verification.reset();
    this.#owner.settle(null, null);
    this.#idempotencyKey ??= randomId();
    const fields = {
      emailAddress: /** @type {string} */ (this.#address),
      purpose: this.#purpose,
      redirectUrl: this.#redirectUrl,
      locale: this.#parts.options.locale,
    };
    let started;
    try {
      started = await this.#parts.attempts.start(fields, { idempotencyKey: this.#idempotencyKey, signal });
    } catch (/** @type {any} */ error) {
      // A refusal is final; after a lost response, the key makes the repeat safe.
      if (!signal.aborted && !error.transient) this.#idempotencyKey = null;
      throw error;
    }
    this.#startedHere = true;
    this.#idempotencyKey = null;
    this.#prompt.preload();
    return this.#show(started);
  }

  /** @param {Attempt} attempt */
  #show = (attempt) => {
    this.#attempt = attempt;
    this.#owner.verification.expireAt = new Date(attempt.expires_at);
    const address = /** @type {string} */ (this.#address);
    this.#pending?.write(isOver(attempt) ? null : { address, attempt, to: this.#redirectUrl });
    this.#parts.host.emit();
    if (attempt.status === "awaiting_code") {
      this.#prompt.open({ emailAddress: address, triesLeft: attempt.code_tries_left ?? null, submit: this.#enterCode });
    } else this.#prompt.close();
    return attempt;
  };

  /** @param {string} code */
  #enterCode = async (code) => {
    try {
      await this.#parts.attempts.enterCode(/** @type {Attempt} */ (this.#attempt), code);
    } catch (/** @type {any} */ error) {
      if (error.code !== "attempt_over") throw error;
    }
    this.#prompt.close();
  };

  /** @param {Attempt} attempt @param {AbortSignal} signal */
  async #finish(attempt, signal) {
    const { attempts, host, waker } = this.#parts;
    let result, error;
    try {
      const why = attempt.failure ?? attempt.status;
      if (attempt.status !== "verified") throw invalidUse(why, `The attempt has ended: ${why}.`);
      const until = Date.parse(attempt.expires_at) - (attempt.skew ?? 0) + GRACE;
      result = await waker.retry(() => attempts.redeem(attempt, { signal }), signal, until);
    } catch (cause) {
      signal.throwIfAborted();
      error = cause;
    }
    if (result && "session_token" in result) host.adopt(result);
    this.#owner.verification.settle(attempt, error, host.clientId);
    this.#owner.settle(attempt, result ?? null);
    host.emit();
  }
}
