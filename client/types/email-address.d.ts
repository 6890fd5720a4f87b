/** @import { EmailAddressResource } from "./types.js" */
export class EmailAddress {
    /**
     * @param {import("./email-link.js").Parts} parts
     * @param {string} emailAddress
     */
    constructor(parts: import("./email-link.js").Parts, emailAddress: string);
    id: string;
    verification: Verification;
    /** @type {[]} */
    linkedTo: [];
    /** @type {string | null} */
    emailProof: string | null;
    createEmailLinkFlow: () => import("./types.js").EmailLinkFlow<EmailAddressResource, any>;
    emailAddress: string;
    toString: () => string;
}
import { Verification } from "./verification.js";
import type { EmailAddressResource } from "./types.js";
