/** The sign-in of this client, under Clerk's names. */
import { EmailLink, randomId } from "./email-link.js";
import { invalidUse } from "./errors.js";
import { PendingAttempt } from "./pending-attempt.js";
import { Verification } from "./verification.js";

/** @import { EmailLinkFactor, SessionData, SignInResource } from "./types.js" */

export class SignIn {
  /** @type {string | null} */
  id = null;
  /** @type {SignInResource["status"]} */
  status = "needs_identifier";
  /** @type {string | null} */
  identifier = null;
  /** @type {EmailLinkFactor[]} */
  supportedFirstFactors = [];
  firstFactorVerification = new Verification();
  /** @type {string | null} */
  createdSessionId = null;
  createEmailLinkFlow;
  #host;
  #link;

  /** @param {import("./email-link.js").Parts} parts */
  constructor(parts) {
    this.#host = parts.host;
    /** @type {import("./email-link.js").Owner<SignInResource>} */
    const owner = {
      resource: this,
      verification: this.firstFactorVerification,
      check: ({ emailAddressId }) => this.#check(emailAddressId),
      settle: (_, session) => this.#settle(session),
    };
    this.#link = new EmailLink(parts, "sign_in", owner, new PendingAttempt(parts.base, "sign_in"));
    this.createEmailLinkFlow = this.#link.flow;
  }

  /** @type {SignInResource["create"]} */
  create = async (params) => {
    if (this.#link.aim(params?.identifier)) {
      this.#begin(params.identifier);
      this.#host.emit();
    }
    return this;
  };

  restore() {
    const address = this.#link.restore();
    if (address) this.#begin(address);
  }

  clear() {
    if (this.#link.clear()) Object.assign(this, { id: null, status: "needs_identifier", identifier: null, supportedFirstFactors: [] });
  }

  /** @param {string} address */
  #begin(address) {
    this.id = randomId();
    this.identifier = address;
    this.supportedFirstFactors = [{ strategy: "email_link", emailAddressId: `idn_${this.id}`, safeIdentifier: address }];
    this.#settle(null);
  }

  /** @param {SessionData | null} session */
  #settle(session) {
    this.createdSessionId = session?.id ?? null;
    this.status = session ? "complete" : "needs_first_factor";
  }

  /** @param {string} [emailAddressId] */
  #check(emailAddressId) {
    if (emailAddressId && this.supportedFirstFactors[0]?.emailAddressId !== emailAddressId) {
      throw invalidUse("not_created", "emailAddressId is not in supportedFirstFactors.");
    }
  }
}
