/** The page that links lead to: handles the parameters that the service adds to its URL. */
import { EmailLinkError } from "./errors.js";
import { go } from "./session.js";

/** @import { HandleEmailLinkVerificationParams, LinkgateMethods } from "./types.js" */

/** Reads the service's parameters and removes them from the address bar. */
function takeParameters() {
  const at = new URL(location.href);
  const status = at.searchParams.get("__linkgate_status");
  const sessionId = at.searchParams.get("__linkgate_session");
  for (const name of ["status", "session", "ticket"]) at.searchParams.delete(`__linkgate_${name}`);
  if (status) history.replaceState(history.state, "", at);
  return { status, sessionId };
}

export class Arrival {
  #session;
  #waker;
  /** @type {Promise<unknown> | null} */
  #handled = null;

  /**
   * @param {import("./session.js").Session} session
   * @param {import("./waker.js").Waker} waker
   */
  constructor(session, waker) {
    this.#session = session;
    this.#waker = waker;
  }

  /** @type {LinkgateMethods["handleEmailLinkVerification"]} */
  handle = async (params = {}, navigate = go) => {
    await this.#session.load();
    const found = takeParameters();
    // A second call, as in StrictMode, finds no parameters and joins the first.
    if (found.status || !this.#handled) this.#handled = this.#conclude(found, params, navigate);
    return this.#handled;
  };

  /**
   * @param {ReturnType<typeof takeParameters>} found
   * @param {HandleEmailLinkVerificationParams} params
   * @param {(to: string) => unknown} navigate
   */
  async #conclude({ status, sessionId }, { redirectUrl, redirectUrlComplete, onVerifiedOnOtherDevice }, navigate) {
    if (status !== "verified") {
      throw new EmailLinkError(status === "expired" || status === "client_mismatch" ? status : "failed");
    }
    const session = this.#session;
    if (sessionId && !session.held(sessionId)) session.adopt(await this.#waker.retry(session.read));
    session.tellTabs();
    const complete = () => redirectUrlComplete && navigate(redirectUrlComplete);
    if (sessionId && session.held(sessionId)) return session.setActive({ session: sessionId, beforeEmit: complete });
    // An added address creates no session, and nothing is missing.
    if (!sessionId && session.current) return complete();
    const { signIn, signUp } = session.client;
    if (signIn.status === "needs_first_factor" || signUp.status === "missing_requirements") {
      return redirectUrl && navigate(redirectUrl);
    }
    onVerifiedOnOtherDevice?.();
    return null;
  }
}
