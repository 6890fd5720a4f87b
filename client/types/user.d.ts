/** @import { EmailAddressResource, UserResource } from "./types.js" */
export class User {
    /**
     * @param {import("./email-link.js").Parts} parts
     * @param {{ id: string, email_address: string }} data
     */
    constructor(parts: import("./email-link.js").Parts, { id, email_address }: {
        id: string;
        email_address: string;
    });
    id: string;
    primaryEmailAddress: EmailAddress;
    primaryEmailAddressId: string;
    /** @type {EmailAddressResource[]} */
    emailAddresses: EmailAddressResource[];
    reload: () => Promise<this>;
    /** @type {UserResource["createEmailAddress"]} */
    createEmailAddress: UserResource["createEmailAddress"];
    #private;
}
import { EmailAddress } from "./email-address.js";
import type { EmailAddressResource } from "./types.js";
import type { UserResource } from "./types.js";
