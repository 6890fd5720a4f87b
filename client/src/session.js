/** Who is signed in: finds out, changes it, and keeps the application's other tabs up to date. */
import { invalidUse } from "./errors.js";
import { SignIn } from "./sign-in.js";
import { SignUp } from "./sign-up.js";
import { User } from "./user.js";

/** @import { ClientResource, Emission, LinkgateMethods, SessionData, SessionResource } from "./types.js" */

/** A page that becomes visible after this many milliseconds asks again who is signed in. */
const REFRESH_AFTER = 60_000;

const ignore = () => {};

/** @param {string} to */
export const go = (to) => globalThis.location?.assign(to);

export class Session {
  #parts;
  #http;
  #waker;
  #token;
  #signIn;
  #signUp;
  /** @type {Promise<void> | null} */
  #loading = null;
  /** @type {BroadcastChannel | undefined} */
  #tabs;
  /** When the service last told who is signed in. */
  #readAt = 0;
  /** @type {Set<(emission: Emission) => void>} */
  #listeners = new Set();
  loaded = false;
  /** undefined: not known yet, or `setActive` is running. @type {SessionResource | null | undefined} */
  current;
  /** @type {ClientResource} */
  client;

  /**
   * @param {Omit<import("./email-link.js").Parts, "host"> & {
   *   http: import("./http.js").Http,
   *   token: import("./session-token.js").SessionToken,
   * }} parts
   */
  constructor({ http, token, ...parts }) {
    this.#parts = { ...parts, host: this };
    this.#http = http;
    this.#waker = parts.waker;
    this.#token = token;
    token.onEnded = () => this.#ended();
    this.#signIn = new SignIn(this.#parts);
    this.#signUp = new SignUp(this.#parts);
    this.client = { id: null, sessions: [], signIn: this.#signIn, signUp: this.#signUp };
  }

  get clientId() {
    return this.client.id;
  }

  /** @param {string} id */
  held(id) {
    return this.client.sessions.find((session) => session.id === id);
  }

  // --- Loading ---

  /** @type {LinkgateMethods["load"]} */
  load = () => {
    this.#loading ??= this.#begin().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  };

  async #begin() {
    this.#joinTabs();
    this.#signIn.restore();
    this.#signUp.restore();
    const found = this.adopt(await this.#waker.retry(this.read));
    this.#waker.add(() => {
      if (Date.now() - this.#readAt > REFRESH_AFTER) this.#refresh().catch(ignore);
    });
    this.loaded = true;
    if (this.current === undefined) this.#activate(found);
  }

  /** @type {LinkgateMethods["readSession"]} */
  read = async () => {
    try {
      const found = await this.#http.request("GET", "/v1/session");
      this.#token.belongsTo(found.id);
      return found;
    } catch (/** @type {any} */ error) {
      if (error.code !== "session_required") throw error;
      this.#token.forget();
      return null;
    }
  };

  async #refresh() {
    const before = this.current;
    const found = this.adopt(await this.read());
    // A `setActive` that is running, or has run meanwhile, decides instead.
    if (before !== undefined && this.current === before && found !== before) this.#activate(found);
  }

  /**
   * Takes over what the service says about the session. Sessions and users that are known keep their objects.
   * @param {SessionData | null} data
   * @returns {SessionResource | null}
   */
  adopt(data) {
    this.#readAt = Date.now();
    const { client } = this;
    const [known] = client.sessions;
    if (!data) {
      client.sessions = [];
      return null;
    }
    client.id = data.client_id ?? client.id;
    const expireAt = new Date(data.expires_at);
    if (known?.id === data.id) return Object.assign(known, { expireAt });
    const user = known?.user.id === data.user.id ? known.user : new User(this.#parts, data.user);
    const { signOut } = this;
    client.sessions = [{ id: data.id, status: "active", user, getToken: this.#token.get, end: signOut, remove: signOut, expireAt }];
    return client.sessions[0];
  }

  // --- Listeners and other tabs ---

  /** @returns {Emission} */
  #emission() {
    return { client: this.client, session: this.current, user: this.user };
  }

  get user() {
    return this.current && this.current.user;
  }

  emit() {
    if (!this.loaded) return;
    for (const listener of [...this.#listeners]) listener(this.#emission());
  }

  /** @type {LinkgateMethods["addListener"]} */
  addListener = (listener) => {
    this.#listeners.add(listener);
    if (this.loaded) listener(this.#emission());
    return () => this.#listeners.delete(listener);
  };

  #joinTabs() {
    if (!globalThis.BroadcastChannel) return;
    this.#tabs ??= new BroadcastChannel(`linkgate ${this.#parts.base}`);
    // In Node an open channel would keep the process running.
    /** @type {any} */ (this.#tabs).unref?.();
    this.#tabs.onmessage = () => {
      this.#waker.wake();
      this.#refresh().catch(ignore);
    };
  }

  tellTabs() {
    this.#tabs?.postMessage("session");
  }

  // --- Signing in and out ---

  /** @param {SessionResource | null} next */
  #activate(next) {
    if (next) {
      this.#signIn.clear();
      this.#signUp.clear();
    }
    this.current = next;
    this.emit();
  }

  #ended() {
    this.#token.forget();
    this.adopt(null);
    this.#activate(null);
  }

  /** @param {string} id */
  async #find(id) {
    const session = this.held(id) ?? (this.adopt(await this.read()), this.held(id));
    if (!session) throw invalidUse("session_not_found", `This client does not hold the session ${id}.`);
    return session;
  }

  /** @type {LinkgateMethods["setActive"]} */
  setActive = async ({ session: wanted, beforeEmit, redirectUrl, navigate }) => {
    // Without `session`, the current session stays active.
    const unchanged = wanted === undefined ? this.current : null;
    const next = wanted ? await this.#find(typeof wanted === "string" ? wanted : wanted.id) : unchanged;
    this.current = undefined;
    this.emit();
    try {
      await beforeEmit?.(next);
      if (navigate) await navigate({ session: next, decorateUrl: (to) => to });
      else if (redirectUrl) await go(redirectUrl);
    } finally {
      this.#activate(/** @type {SessionResource | null} */ (next));
      if (next) this.tellTabs();
    }
  };

  /** @type {import("./types.js").SignOut} */
  signOut = async (then) => {
    await this.#http.request("DELETE", "/v1/session");
    this.#ended();
    this.tellTabs();
    if (typeof then === "function") await then();
    else if (then?.redirectUrl) go(then.redirectUrl);
  };
}
