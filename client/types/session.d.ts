export function go(to: string): void;
export class Session {
    /**
     * @param {Omit<import("./email-link.js").Parts, "host"> & {
     *   http: import("./http.js").Http,
     *   token: import("./session-token.js").SessionToken,
     * }} parts
     */
    constructor({ http, token, ...parts }: Omit<import("./email-link.js").Parts, "host"> & {
        http: import("./http.js").Http;
        token: import("./session-token.js").SessionToken;
    });
    loaded: boolean;
    /** undefined: not known yet, or `setActive` is running. @type {SessionResource | null | undefined} */
    current: SessionResource | null | undefined;
    /** @type {ClientResource} */
    client: ClientResource;
    get clientId(): string | null;
    /** @param {string} id */
    held(id: string): SessionResource | undefined;
    /** @type {LinkgateMethods["load"]} */
    load: LinkgateMethods["load"];
    /** @type {LinkgateMethods["readSession"]} */
    read: LinkgateMethods["readSession"];
    /**
     * Takes over what the service says about the session. Sessions and users that are known keep their objects.
     * @param {SessionData | null} data
     * @returns {SessionResource | null}
     */
    adopt(data: SessionData | null): SessionResource | null;
    get user(): import("./types.js").UserResource | null | undefined;
    emit(): void;
    /** @type {LinkgateMethods["addListener"]} */
    addListener: LinkgateMethods["addListener"];
    tellTabs(): void;
    /** @type {LinkgateMethods["setActive"]} */
    setActive: LinkgateMethods["setActive"];
    /** @type {import("./types.js").SignOut} */
    signOut: import("./types.js").SignOut;
    #private;
}
import type { SessionResource } from "./types.js";
import type { ClientResource } from "./types.js";
import type { LinkgateMethods } from "./types.js";
import type { SessionData } from "./types.js";
