/** How the verification of an address stands. */
/** @import { Attempt, Verification as Public } from "./types.js" */
export class Verification {
    /** @type {Public["status"]} */
    status: Public["status"];
    /** @type {"email_link"} */
    strategy: "email_link";
    /** @type {Date | null} */
    expireAt: Date | null;
    /** @type {Public["error"]} */
    error: Public["error"];
    /** @type {string | null} */
    verifiedAtClient: string | null;
    verifiedFromTheSameClient: () => boolean;
    reset(): void;
    /**
     * @param {Attempt} attempt Its end.
     * @param {any} error Why there is no session or proof.
     * @param {string | null} clientId This client's id.
     */
    settle({ status, verified_from_same_client }: Attempt, error: any, clientId: string | null): void;
    #private;
}
import type { Verification as Public } from "./types.js";
import type { Attempt } from "./types.js";
