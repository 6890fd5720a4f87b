/** The pending attempt in localStorage, for reloads and the verification page. Without storage, a reload forgets it. */

/** @typedef {{ address: string, attempt: import("./types.js").Attempt, to?: string }} Pending `to`: the redirect URL */

export class PendingAttempt {
  #key;

  /** @param {string} base @param {string} purpose */
  constructor(base, purpose) {
    this.#key = `linkgate ${base} ${purpose}`;
  }

  /** @returns {Pending | null} */
  read() {
    try {
      return JSON.parse(localStorage.getItem(this.#key) ?? "null");
    } catch {
      return null;
    }
  }

  /** @param {Pending | null} pending */
  write(pending) {
    try {
      if (pending) localStorage.setItem(this.#key, JSON.stringify(pending));
      else localStorage.removeItem(this.#key);
    } catch {
      // Storage is blocked or full.
    }
  }
}
