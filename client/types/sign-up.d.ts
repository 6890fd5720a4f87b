/** @import { Attempt, SessionData, SignUpResource } from "./types.js" */
export class SignUp {
    /** @param {import("./email-link.js").Parts} parts */
    constructor(parts: import("./email-link.js").Parts);
    /** @type {string | null} */
    id: string | null;
    /** @type {SignUpResource["status"]} */
    status: SignUpResource["status"];
    /** @type {string | null} */
    emailAddress: string | null;
    /** @type {string[]} */
    missingFields: string[];
    /** @type {string[] | undefined} */
    unverifiedFields: string[] | undefined;
    verifications: {
        emailAddress: Verification;
    };
    /** @type {string | null} */
    createdSessionId: string | null;
    /** @type {string | null} */
    createdUserId: string | null;
    createEmailLinkFlow: () => import("./types.js").EmailLinkFlow<SignUpResource, any>;
    /** @type {SignUpResource["create"]} */
    create: SignUpResource["create"];
    restore(): void;
    clear(): void;
    #private;
}
import type { SignUpResource } from "./types.js";
import { Verification } from "./verification.js";
