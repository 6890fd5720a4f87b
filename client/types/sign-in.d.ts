/** @import { EmailLinkFactor, SessionData, SignInResource } from "./types.js" */
export class SignIn {
    /** @param {import("./email-link.js").Parts} parts */
    constructor(parts: import("./email-link.js").Parts);
    /** @type {string | null} */
    id: string | null;
    /** @type {SignInResource["status"]} */
    status: SignInResource["status"];
    /** @type {string | null} */
    identifier: string | null;
    /** @type {EmailLinkFactor[]} */
    supportedFirstFactors: EmailLinkFactor[];
    firstFactorVerification: Verification;
    /** @type {string | null} */
    createdSessionId: string | null;
    createEmailLinkFlow: () => import("./types.js").EmailLinkFlow<SignInResource, any>;
    /** @type {SignInResource["create"]} */
    create: SignInResource["create"];
    restore(): void;
    clear(): void;
    #private;
}
import type { SignInResource } from "./types.js";
import type { EmailLinkFactor } from "./types.js";
import { Verification } from "./verification.js";
