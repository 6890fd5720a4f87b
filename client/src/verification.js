/** How the verification of an address stands. */

/** @import { Attempt, Verification as Public } from "./types.js" */

export class Verification {
  /** @type {Public["status"]} */
  status = "unverified";
  /** @type {"email_link"} */
  strategy = "email_link";
  /** @type {Date | null} */
  expireAt = null;
  /** @type {Public["error"]} */
  error = null;
  /** @type {string | null} */
  verifiedAtClient = null;
  #fromTheSameClient = false;

  verifiedFromTheSameClient = () => this.#fromTheSameClient;

  reset() {
    this.#fromTheSameClient = false;
    Object.assign(this, { status: "unverified", expireAt: null, error: null, verifiedAtClient: null });
  }

  /**
   * @param {Attempt} attempt Its end.
   * @param {any} error Why there is no session or proof.
   * @param {string | null} clientId This client's id.
   */
  settle({ status, verified_from_same_client }, error, clientId) {
    this.#fromTheSameClient = status === "verified" && !!verified_from_same_client;
    this.status = status === "verified" || status === "expired" ? status : "failed";
    this.error = error?.errors[0] ?? null;
    this.verifiedAtClient = this.#fromTheSameClient ? clientId : null;
  }
}
