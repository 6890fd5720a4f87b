/** The sign-up of this client, under Clerk's names. */
import { EmailLink, randomId } from "./email-link.js";
import { PendingAttempt } from "./pending-attempt.js";
import { Verification } from "./verification.js";

/** @import { Attempt, SessionData, SignUpResource } from "./types.js" */

export class SignUp {
  /** @type {string | null} */
  id = null;
  /** @type {SignUpResource["status"]} */
  status = null;
  /** @type {string | null} */
  emailAddress = null;
  /** @type {string[]} */
  missingFields = [];
  /** @type {string[] | undefined} */
  unverifiedFields;
  verifications = { emailAddress: new Verification() };
  /** @type {string | null} */
  createdSessionId = null;
  /** @type {string | null} */
  createdUserId = null;
  createEmailLinkFlow;
  #host;
  #link;

  /** @param {import("./email-link.js").Parts} parts */
  constructor(parts) {
    this.#host = parts.host;
    /** @type {import("./email-link.js").Owner<SignUpResource>} */
    const owner = {
      resource: this,
      verification: this.verifications.emailAddress,
      settle: (attempt, session) => this.#settle(attempt, session),
    };
    this.#link = new EmailLink(parts, "sign_up", owner, new PendingAttempt(parts.base, "sign_up"));
    this.createEmailLinkFlow = this.#link.flow;
  }

  /** @type {SignUpResource["create"]} */
  create = async (params) => {
    if (this.#link.aim(params?.emailAddress)) {
      this.#begin(params.emailAddress);
      this.#host.emit();
    }
    return this;
  };

  restore() {
    const address = this.#link.restore();
    if (address) this.#begin(address);
  }

  clear() {
    if (this.#link.clear()) Object.assign(this, { id: null, status: null, emailAddress: null, createdUserId: null });
  }

  /** @param {string} address */
  #begin(address) {
    this.id = randomId();
    this.emailAddress = address;
    this.#settle(null, null);
  }

  /** @param {Attempt | null} attempt @param {SessionData | null} session */
  #settle(attempt, session) {
    this.createdSessionId = session?.id ?? null;
    this.createdUserId = session?.user.id ?? null;
    this.unverifiedFields = session ? [] : ["email_address"];
    if (session) this.status = "complete";
    else this.status = attempt && attempt.status !== "expired" ? "abandoned" : "missing_requirements";
  }
}
