/** Sleeping, and what ends a sleep early: the page becomes visible, the network returns, another tab has news. */

const PAGE_EVENTS = ["online", "focus"];

export class Waker {
  /** @type {Set<() => void>} */
  #callbacks = new Set();

  /** Calls all callbacks, unless the page is hidden. */
  wake = () => {
    if (globalThis.document?.visibilityState === "hidden") return;
    for (const callback of [...this.#callbacks]) callback();
  };

  /**
   * Listens to the page's events as long as there is a callback.
   * @param {() => void} callback
   * @returns {() => void} Removes the callback.
   */
  add(callback) {
    if (!this.#callbacks.size) this.#listen("addEventListener");
    this.#callbacks.add(callback);
    return () => {
      if (this.#callbacks.delete(callback) && !this.#callbacks.size) this.#listen("removeEventListener");
    };
  }

  /** @param {"addEventListener" | "removeEventListener"} method */
  #listen(method) {
    globalThis.document?.[method]("visibilitychange", this.wake);
    for (const event of PAGE_EVENTS) globalThis[method]?.(event, this.wake);
  }

  /**
   * Resolves after 1 to 1.5 times `ms`, or earlier when aborted or, if `wakeable`, woken.
   * @param {number} ms
   * @param {AbortSignal} [signal]
   * @param {boolean} [wakeable]
   * @returns {Promise<void>}
   */
  sleep(ms, signal, wakeable = true) {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        remove?.();
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms * (1 + Math.random() / 2));
      const remove = wakeable ? this.add(end) : null;
      signal?.addEventListener("abort", end);
      if (signal?.aborted) end();
    });
  }

  /**
   * Sleeps after a transient failure. Waking cuts the sleep short, except after a rate limit (429).
   * @param {import("./errors.js").LinkgateError} error
   * @param {number} failures Earlier failures in a row.
   * @param {AbortSignal} [signal]
   */
  backOff(error, failures, signal) {
    const ms = Math.max(Math.min(30_000, 500 * 2 ** failures), (error.retryAfter ?? 0) * 1000);
    return this.sleep(ms, signal, error.status !== 429);
  }

  /**
   * Repeats a call until it succeeds, fails for good, or fails after the time `until`.
   * @template T
   * @param {() => Promise<T>} call
   * @param {AbortSignal} [signal]
   * @param {number} [until] Milliseconds since 1970.
   */
  async retry(call, signal, until = Infinity) {
    for (let failures = 0; ; failures++) {
      try {
        return await call();
      } catch (/** @type {any} */ error) {
        signal?.throwIfAborted();
        if (!error.transient || Date.now() > until) throw error;
        await this.backOff(error, failures, signal);
        signal?.throwIfAborted();
      }
    }
  }
}
