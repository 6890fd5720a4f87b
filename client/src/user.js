/** The user of a session. The service stores no list of addresses, so those that are added live in this page only. */
import { EmailAddress } from "./email-address.js";

/** @import { EmailAddressResource, UserResource } from "./types.js" */

export class User {
  #parts;

  /**
   * @param {import("./email-link.js").Parts} parts
   * @param {{ id: string, email_address: string }} data
   */
  constructor(parts, { id, email_address }) {
    this.#parts = parts;
    this.id = id;
    this.primaryEmailAddress = new EmailAddress(parts, email_address);
    Object.assign(this.primaryEmailAddress.verification, { status: "verified", verifiedAtClient: parts.host.clientId });
    this.primaryEmailAddressId = this.primaryEmailAddress.id;
    /** @type {EmailAddressResource[]} */
    this.emailAddresses = [this.primaryEmailAddress];
  }

  reload = async () => this;

  /** @type {UserResource["createEmailAddress"]} */
  createEmailAddress = async ({ email }) => {
    const known = this.emailAddresses.find(({ emailAddress }) => emailAddress === email);
    if (known) return known;
    const address = new EmailAddress(this.#parts, email);
    this.emailAddresses = [...this.emailAddresses, address];
    this.#parts.host.emit();
    return address;
  };
}
