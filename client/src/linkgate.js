/** The browser client of linkgate. */
import { Arrival } from "./arrival.js";
import { Attempts } from "./attempts.js";
import { Http } from "./http.js";
import { Session } from "./session.js";
import { SessionToken } from "./session-token.js";
import { Waker } from "./waker.js";

export { EmailLinkError, EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError, LinkgateError } from "./errors.js";
export { isOver } from "./wait.js";
export * from "./types.js";

/**
 * A client of the service at this URL. It does nothing until its methods are called, and can be created outside a
 * browser.
 * @param {import("./types.js").LinkgateOptions} options
 * @returns {import("./types.js").Linkgate}
 */
export function createLinkgate({ url, ...options }) {
  const base = String(url).replace(/\/+$/, "");
  const http = new Http(base);
  const waker = new Waker();
  const token = new SessionToken(http);
  const attempts = new Attempts(http, waker, token);
  const session = new Session({ base, options, http, waker, token, attempts });
  const { start, wait, get, enterCode, resend, cancel, redeem } = attempts;
  return {
    url: base,
    start, wait, get, enterCode, resend, cancel, redeem,
    readSession: session.read,
    load: session.load,
    setActive: session.setActive,
    signOut: session.signOut,
    getToken: token.get,
    handleEmailLinkVerification: new Arrival(session, waker).handle,
    addListener: session.addListener,
    get loaded() {
      return session.loaded;
    },
    get client() {
      return session.loaded ? session.client : undefined;
    },
    get session() {
      return session.current;
    },
    get user() {
      return session.user;
    },
  };
}
