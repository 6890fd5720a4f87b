/** An email address of the user: the one that signed in, or one that is added. */
import { EmailLink, randomId } from "./email-link.js";
import { Verification } from "./verification.js";

/** @import { EmailAddressResource } from "./types.js" */

export class EmailAddress {
  id = `idn_${randomId()}`;
  verification = new Verification();
  /** @type {[]} */
  linkedTo = [];
  /** @type {string | null} */
  emailProof = null;
  createEmailLinkFlow;

  /**
   * @param {import("./email-link.js").Parts} parts
   * @param {string} emailAddress
   */
  constructor(parts, emailAddress) {
    this.emailAddress = emailAddress;
    /** @type {EmailLink<EmailAddressResource>} */
    const link = new EmailLink(parts, "verify_email", {
      resource: this,
      verification: this.verification,
      settle: (_, proof) => (this.emailProof = proof?.email_proof ?? null),
    });
    link.aim(emailAddress);
    this.createEmailLinkFlow = link.flow;
  }

  toString = () => this.emailAddress;
}
