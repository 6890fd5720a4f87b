/** @typedef {{ session_token: string, expires_in: number, id: string }} TokenResponse */
export class SessionToken {
    /** @param {import("./http.js").Http} http */
    constructor(http: import("./http.js").Http);
    /** Called when a renewal finds that the session has ended. */
    onEnded: () => void;
    /** @type {import("./types.js").LinkgateMethods["getToken"]} */
    get: import("./types.js").LinkgateMethods["getToken"];
    /** Takes the token that came with a sign-in. @param {TokenResponse} answer */
    replace(answer: TokenResponse): void;
    forget(): void;
    /** Forgets a token of any other session: another tab may have signed in as somebody else. @param {string} sessionId */
    belongsTo(sessionId: string): void;
    #private;
}
export type TokenResponse = {
    session_token: string;
    expires_in: number;
    id: string;
};
