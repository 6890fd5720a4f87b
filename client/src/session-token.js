/** The session token: cached, and renewed before it expires. */

/** A token with less than this left is renewed, in milliseconds. */
const RENEW_BEFORE = 30_000;

/** @typedef {{ session_token: string, expires_in: number, id: string }} TokenResponse */

export class SessionToken {
  #http;
  /** @type {{ value: string, until: number, sessionId: string } | null} */
  #cached = null;
  /** The renewal in flight. @type {Promise<string | null> | null} */
  #renewal = null;
  /** Sign-in and sign-out increase it: responses to earlier requests are void. */
  #epoch = 0;
  /** Called when a renewal finds that the session has ended. */
  onEnded = () => {};

  /** @param {import("./http.js").Http} http */
  constructor(http) {
    this.#http = http;
  }

  /** @type {import("./types.js").LinkgateMethods["getToken"]} */
  get = async ({ skipCache } = {}) => {
    const cached = skipCache ? null : this.#cached;
    if (cached && cached.until - Date.now() > RENEW_BEFORE) return cached.value;
    if (!this.#renewal) {
      const renewal = this.#renew().finally(() => {
        if (this.#renewal === renewal) this.#renewal = null;
      });
      this.#renewal = renewal;
    }
    return this.#renewal;
  };

  async #renew() {
    const epoch = this.#epoch;
    try {
      const answer = await this.#http.request("POST", "/v1/session/token");
      if (epoch === this.#epoch) this.#keep(answer);
    } catch (/** @type {any} */ error) {
      if (epoch !== this.#epoch) return this.get();
      if (error.code === "session_required") {
        this.onEnded();
        return null;
      }
      // In an outage the old token serves until it expires.
      if (!error.transient || !(this.#cached && this.#cached.until > Date.now())) throw error;
    }
    return epoch === this.#epoch && this.#cached ? this.#cached.value : this.get();
  }

  /** @param {TokenResponse} answer */
  #keep({ session_token: value, expires_in, id: sessionId }) {
    this.#cached = { value, until: Date.now() + expires_in * 1000, sessionId };
  }

  /** Takes the token that came with a sign-in. @param {TokenResponse} answer */
  replace(answer) {
    this.forget();
    this.#keep(answer);
  }

  forget() {
    this.#epoch++;
    this.#cached = this.#renewal = null;
  }

  /** Forgets a token of any other session: another tab may have signed in as somebody else. @param {string} sessionId */
  belongsTo(sessionId) {
    if (this.#cached && this.#cached.sessionId !== sessionId) this.forget();
  }
}
