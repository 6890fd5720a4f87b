/** The browser client of linkgate. Everything public is described in linkgate.d.ts. */

export class LinkgateError extends Error {
  constructor(problem, { retryAfter = null, cause } = {}) {
    super(problem.detail ?? problem.title ?? problem.code, { cause });
    Object.assign(this, problem);
    this.name = "LinkgateError";
    this.retryAfter = retryAfter;
    const message = problem.title ?? this.message;
    this.errors = [{ code: problem.code, message, longMessage: this.message, meta: {} }];
  }
  get transient() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const EmailLinkErrorCode = { Expired: "expired", Failed: "failed", ClientMismatch: "client_mismatch" };
export const EmailLinkErrorCodeStatus = EmailLinkErrorCode;

export class EmailLinkError extends Error {
  constructor(code) {
    super(code);
    this.name = "EmailLinkError";
    this.code = code;
  }
}
/** By name: several copies of this module may be at work in one page. */
export const isEmailLinkError = (error) => error?.name === "EmailLinkError";

const OVER = ["verified", "denied", "canceled", "expired", "failed"];
export const isOver = (attempt) => OVER.includes(attempt.status);

const retryAfter = (response) => {
  const value = response.headers.get("retry-after");
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return seconds >= 0 ? seconds : null;
};
const failing = (code, message) => new LinkgateError({ code, status: 400, detail: message });
const secret = () => crypto.randomUUID().replaceAll("-", "");
const ignore = () => {};

/** @type {typeof import("./linkgate.js").createLinkgate} */
export function createLinkgate({ url, locale, texts, onRelayCode }) {
  const base = String(url).replace(/\/+$/, "");

  // --- The HTTP API ---

  async function request(method, path, { body, headers, token, signal, timeout = 20_000 } = {}) {
    signal?.throwIfAborted();
    const abort = new AbortController();
    const stop = () => abort.abort();
    const timer = setTimeout(stop, timeout);
    signal?.addEventListener("abort", stop);
    let response, data;
    try {
      response = await fetch(base + path, {
        method,
        headers: {
          Accept: "application/json, application/problem+json",
          ...(body && { "Content-Type": "application/json" }),
          ...(token && { Authorization: `Bearer ${token}` }),
          ...headers,
        },
        body: body && JSON.stringify(body),
        credentials: "include",
        cache: "no-store",
        signal: abort.signal,
      });
      const text = await response.text();
      try {
        data = text && JSON.parse(text);
      } catch (error) {
        // A proxy's page. A 2xx that is not ours is no answer at all.
        if (response.ok) throw error;
      }
    } catch (cause) {
      signal?.throwIfAborted();
      throw new LinkgateError({ code: "network_error", status: 0, title: "No answer from the service" }, { cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
    if (response.ok) return data;
    const { status } = response;
    throw new LinkgateError({ code: "unknown", title: `HTTP ${status}`, ...data, status }, { retryAfter: retryAfter(response) });
  }

  const path = (attempt, rest = "") => `/v1/attempts/${encodeURIComponent(attempt.id)}${rest}`;

  /** Answers about an attempt never repeat its token: merging keeps it. */
  async function onAttempt(method, attempt, rest, options) {
    const answer = await request(method, path(attempt, rest), { token: attempt.attempt_token, ...options });
    return { ...attempt, ...answer };
  }

  // --- Waiting ---

  /** What to call when the page is seen again, the network returns or another tab has news. */
  const wakers = new Set();
  const wake = () => globalThis.document?.visibilityState !== "hidden" && [...wakers].forEach((waker) => waker());
  function onWake(callback) {
    const listen = (does) => {
      globalThis.document?.[does]("visibilitychange", wake);
      for (const event of ["online", "focus"]) globalThis[does]?.(event, wake);
    };
    if (!wakers.size) listen("addEventListener");
    wakers.add(callback);
    return () => {
      if (wakers.delete(callback) && !wakers.size) listen("removeEventListener");
    };
  }

  /** Resolves after about that long, or earlier when aborted or, if `wakeable`, woken. */
  const pause = (ms, signal, wakeable) =>
    new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        sleepOn?.();
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms * (1 + Math.random() / 2));
      const sleepOn = wakeable ? onWake(end) : null;
      signal?.addEventListener("abort", end);
      if (signal?.aborted) end();
    });

  /** The pause after a failure that may pass. Only a limit (429) holds when woken. */
  const recover = (error, failures, signal) =>
    pause(Math.max(Math.min(30_000, 500 * 2 ** failures), (error.retryAfter ?? 0) * 1000), signal, error.status !== 429);

  /** Repeats a call until it succeeds, or fails for good, or `until` has passed. */
  async function persist(call, signal, until = Infinity) {
    for (let failures = 0; ; failures++) {
      try {
        return await call();
      } catch (error) {
        signal?.throwIfAborted();
        if (!error.transient || Date.now() > until) throw error;
        await recover(error, failures, signal);
        signal?.throwIfAborted();
      }
    }
  }

  async function wait(attempt, { signal, onStatus } = {}) {
    let failures = 0;
    let early = 0;
    const change = (next) => {
      attempt = next;
      onStatus?.(next);
    };
    // The service's clock and ours differ; an attempt that was started elsewhere is of unknown age.
    const skew = attempt.skew ?? 0;
    while (!isOver(attempt)) {
      signal?.throwIfAborted();
      const began = Date.now();
      const poll = new AbortController();
      const stop = () => poll.abort();
      // After a sleep the connection is often dead without anybody having noticed.
      const sleepOn = onWake(() => Date.now() - began > 10_000 && stop());
      signal?.addEventListener("abort", stop);
      let rest;
      try {
        const { status } = attempt;
        const headers = { Prefer: "wait=25" };
        const next = await onAttempt("GET", attempt, `?seen=${status}`, { headers, signal: poll.signal, timeout: 40_000 });
        failures = 0;
        if (next.status !== status) {
          early = 0;
          change(next);
        } else {
          attempt = next;
          // The service need not hold the answer, e.g. while it shuts down or is full.
          if (Date.now() - began < 5000) rest = () => pause(Math.min(25_000, 1000 * 2 ** early++), signal, true);
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (poll.signal.aborted) continue;
        const unknown = ["attempt_token_invalid", "attempt_not_found"].includes(error.code);
        // No attempt outlives its link by more than five minutes, whether anybody can still be asked or not.
        const past = Date.now() + skew - Date.parse(attempt.expires_at);
        if (past > (unknown ? -5000 : 300_000)) change({ ...attempt, status: "expired" });
        else if (unknown) change({ ...attempt, status: "failed", failure: "state_lost" });
        else if (error.transient) rest = () => recover(error, failures++, signal);
        else throw error;
      } finally {
        sleepOn();
        signal?.removeEventListener("abort", stop);
      }
      await rest?.();
    }
    return attempt;
  }

  const api = {
    start: async ({ emailAddress, purpose, redirectUrl, locale }, { idempotencyKey, signal } = {}) => {
      const body = { email_address: emailAddress, purpose, redirect_url: redirectUrl, locale };
      const headers = idempotencyKey && { "Idempotency-Key": idempotencyKey };
      const attempt = await request("POST", "/v1/attempts", { body, headers, signal });
      return { ...attempt, skew: Date.parse(attempt.created_at) - Date.now() };
    },
    wait,
    get: (attempt) => onAttempt("GET", attempt),
    enterCode: (attempt, code) => onAttempt("POST", attempt, "/code", { body: { code: code.replace(/\D/g, "") } }),
    resend: (attempt, { signal } = {}) => onAttempt("POST", attempt, "/resend", { signal }),
    cancel: async (attempt) => ({ ...(await onAttempt("DELETE", attempt)), status: "canceled" }),
    redeem: async (attempt, { signal } = {}) => {
      const answer = await request("POST", path(attempt, "/redeem"), { token: attempt.attempt_token, signal });
      if (answer.session_token) {
        forget();
        keep(answer);
      }
      return answer;
    },
    readSession: async () => {
      try {
        const found = await request("GET", "/v1/session");
        // Another tab may have signed in as somebody else.
        if (token && token.of !== found.id) forget();
        return found;
      } catch (error) {
        if (error.code !== "session_required") throw error;
        forget();
        return null;
      }
    },
  };

  // --- The session token ---

  let token = null;
  let asking = null;
  // Whoever signs in or out makes answers still under way worthless.
  let epoch = 0;

  function keep({ session_token: value, expires_in, id: of }) {
    token = { value, until: Date.now() + expires_in * 1000, of };
  }

  function forget() {
    epoch++;
    token = asking = null;
  }

  async function renew() {
    const mine = epoch;
    try {
      const answer = await request("POST", "/v1/session/token");
      if (mine === epoch) keep(answer);
    } catch (error) {
      if (mine !== epoch) return getToken();
      if (error.code === "session_required") {
        gone();
        return null;
      }
      // Better a token for its last seconds than none.
      if (!error.transient || !(token?.until > Date.now())) throw error;
    }
    return mine === epoch ? token.value : getToken();
  }

  async function getToken({ skipCache } = {}) {
    if (token && !skipCache && token.until - Date.now() > 30_000) return token.value;
    if (!asking) {
      const mine = (asking = renew().finally(() => asking === mine && (asking = null)));
    }
    return asking;
  }

  // --- Who is signed in ---

  let loading, tabs;
  let loaded = false;
  let session; // undefined: not known yet, or about to change
  let readAt = 0;
  const listeners = new Set();
  const client = { id: null, sessions: [] };

  const held = (id) => client.sessions.find((one) => one.id === id);
  const seen = () => ({ client, session, user: session && session.user });
  const emit = () => loaded && [...listeners].forEach((listener) => listener(seen()));
  const tell = () => tabs?.postMessage("session");

  /** The resource of a session answer. What is known already keeps its object. */
  function adopt(data) {
    readAt = Date.now();
    client.id = data?.client_id ?? client.id;
    if (!data) client.sessions = [];
    else if (client.sessions[0]?.id !== data.id) {
      const known = client.sessions[0]?.user;
      const own = known?.id === data.user.id ? known : userOf(data.user);
      client.sessions = [{ id: data.id, status: "active", user: own, getToken, end: signOut, remove: signOut }];
    }
    if (data) client.sessions[0].expireAt = new Date(data.expires_at);
    return client.sessions[0] ?? null;
  }

  function activate(next) {
    if (next) for (const { clear } of [signIn, signUp]) clear();
    session = next;
    emit();
  }

  function gone() {
    forget();
    adopt(null);
    activate(null);
  }

  async function refresh() {
    const before = session;
    const found = adopt(await api.readSession());
    // setActive, when at work, knows better.
    if (before !== undefined && session === before && found !== before) activate(found);
  }

  async function begin() {
    if (globalThis.BroadcastChannel) {
      tabs ??= new BroadcastChannel(`linkgate ${base}`);
      tabs.unref?.();
      tabs.onmessage = () => {
        wake();
        refresh().catch(ignore);
      };
    }
    for (const resource of [signIn, signUp]) resource.restore();
    const found = adopt(await persist(api.readSession));
    onWake(() => Date.now() - readAt > 60_000 && refresh().catch(ignore));
    loaded = true;
    if (session === undefined) activate(found);
  }

  const load = () =>
    (loading ??= begin().catch((error) => {
      loading = null;
      throw error;
    }));

  const go = (to) => globalThis.location?.assign(to);

  async function setActive({ session: wanted, beforeEmit, redirectUrl, navigate }) {
    let next = wanted;
    if (wanted) {
      const id = wanted.id ?? wanted;
      next = held(id) ?? (adopt(await api.readSession()), held(id));
      if (!next) throw failing("session_not_found", `This client does not hold the session ${id}.`);
    }
    if (next === undefined) next = session;
    session = undefined;
    emit();
    try {
      await beforeEmit?.(next);
      if (navigate) await navigate({ session: next, decorateUrl: (to) => to });
      else if (redirectUrl) await go(redirectUrl);
    } finally {
      activate(next);
      if (next) tell();
    }
  }

  async function signOut(then) {
    await request("DELETE", "/v1/session");
    gone();
    tell();
    if (typeof then === "function") await then();
    else if (then?.redirectUrl) go(then.redirectUrl);
  }

  // --- Email links ---

  /** Loaded while somebody waits. */
  let loadedDialog;
  const dialog = () =>
    (loadedDialog ??= import("./relay-code.js").catch((error) => {
      loadedDialog = null;
      throw error;
    }));

  /** Start, wait and end for one resource. Storage is for reloads and other tabs. */
  function emailLink(self, purpose, verification, end) {
    const place = `linkgate ${base} ${purpose}`;
    let address, attempt, to, key, run, code;
    let own = false;
    let same = false;
    Object.assign(verification, { verifiedFromTheSameClient: () => same });

    function reset() {
      same = false;
      Object.assign(verification, { status: "unverified", strategy: "email_link", expireAt: null, error: null, verifiedAtClient: null });
    }
    reset();

    function store(value) {
      try {
        if (value && purpose !== "verify_email") localStorage.setItem(place, JSON.stringify(value));
        else localStorage.removeItem(place);
      } catch {
        // Without storage, a reload forgets.
      }
    }

    const now = () => Date.now() + (attempt?.skew ?? 0);
    const live = () => attempt && !isOver(attempt) && Date.parse(attempt.expires_at) > now();

    function show(next) {
      attempt = next;
      verification.expireAt = new Date(next.expires_at);
      store(!isOver(next) && { address, attempt, to });
      emit();
      if (next.status !== "awaiting_code") return code?.abort();
      if (code && !code.signal.aborted) return;
      code = new AbortController();
      const { signal } = code;
      const asked = {
        emailAddress: address,
        triesLeft: next.code_tries_left ?? null,
        signal,
        async submit(digits) {
          try {
            await api.enterCode(attempt, digits);
          } catch (error) {
            if (error.code !== "attempt_over") throw error;
          }
          code?.abort();
        },
      };
      if (onRelayCode) onRelayCode(asked);
      else if (globalThis.document) dialog().then(({ showDialog }) => signal.aborted || showDialog(asked, texts), ignore);
    }

    async function follow(signal) {
      if (live()) {
        if (Date.parse(attempt.resend_after) <= now()) {
          await api.resend(attempt, { signal }).then(show, (error) => {
            if (!["attempt_over", "resend_too_soon"].includes(error.code)) throw error;
          });
        } else show(attempt);
      } else {
        reset();
        end(null, null);
        key ??= secret();
        try {
          const fields = { emailAddress: address, purpose, redirectUrl: to, locale };
          const started = await api.start(fields, { idempotencyKey: key, signal });
          own = true;
          key = null;
          show(started);
          if (globalThis.document && !onRelayCode) dialog().catch(ignore);
        } catch (error) {
          // After a lost answer the key stays, so that a repeat sends no second mail; a refusal was final.
          if (!signal.aborted && !error.transient) key = null;
          throw error;
        }
      }
      await wait(attempt, { signal, onStatus: show });
      const { status } = attempt;
      let result, error;
      try {
        const why = attempt.failure ?? status;
        if (status !== "verified") throw failing(why, `The attempt has ended: ${why}.`);
        const until = Date.parse(attempt.expires_at) - attempt.skew + 300_000;
        result = await persist(() => api.redeem(attempt, { signal }), signal, until);
      } catch (cause) {
        signal.throwIfAborted();
        error = cause;
      }
      same = status === "verified" && !!attempt.verified_from_same_client;
      if (result?.session_token) adopt(result);
      Object.assign(verification, {
        status: ["verified", "expired"].includes(status) ? status : "failed",
        error: error?.errors[0] ?? null,
        verifiedAtClient: same ? client.id : null,
      });
      end(attempt, result);
      emit();
    }

    function cancelEmailLinkFlow() {
      run?.stop();
    }

    function startRun() {
      const stopper = new AbortController();
      const mine = { signal: stopper.signal, stop };
      function stop() {
        if (run === mine) run = null;
        code?.abort();
        stopper.abort();
      }
      // Cancelled in the same breath, as by StrictMode, it asks for nothing.
      mine.done = Promise.resolve()
        .then(() => (mine.signal.throwIfAborted(), follow(mine.signal)))
        .finally(() => run === mine && (run = null));
      return mine;
    }

    async function startEmailLinkFlow({ redirectUrl, emailAddressId, signal } = {}) {
      if (!address) throw failing("not_created", "Call create() with an email address before startEmailLinkFlow().");
      const known = self.supportedFirstFactors;
      if (known && emailAddressId && known[0].emailAddressId !== emailAddressId) {
        throw failing("not_created", "emailAddressId is none of supportedFirstFactors.");
      }
      signal?.throwIfAborted();
      const target = redirectUrl && new URL(redirectUrl, globalThis.location?.href).href;
      if (to !== target) {
        drop();
        to = target;
      }
      if (run && attempt) {
        // Asked again: somebody may have put the dialog away.
        code?.abort();
        show(attempt);
      }
      run ??= startRun();
      const mine = run;
      signal?.addEventListener("abort", mine.stop);
      try {
        await mine.done;
      } catch (error) {
        // Unless there is a signal, the promise of a cancelled flow stays open.
        if (mine.signal.aborted && !signal) await new Promise(ignore);
        throw signal?.aborted ? signal.reason : error;
      } finally {
        signal?.removeEventListener("abort", mine.stop);
      }
      return self;
    }

    /** The link to a mistyped address must not work. */
    function drop() {
      cancelEmailLinkFlow();
      if (own && live()) api.cancel(attempt).catch(ignore);
      attempt = key = null;
      own = false;
      store();
    }

    const flow = { startEmailLinkFlow, cancelEmailLinkFlow };
    self.createEmailLinkFlow = () => ({ ...flow });
    return {
      /** The same address again changes nothing while its attempt goes on. */
      name(typed) {
        if (!typed?.trim?.()) throw failing("invalid_email_address", "An email address is needed.");
        if (address === typed && (!attempt || live())) return false;
        drop();
        address = typed;
        to = undefined;
        reset();
        return true;
      },
      restore() {
        try {
          const kept = JSON.parse(localStorage.getItem(place));
          if (!kept) return null;
          ({ address, attempt, to } = kept);
          if (live()) {
            verification.expireAt = new Date(attempt.expires_at);
            return address;
          }
          address = attempt = to = null;
          store();
        } catch {
          // Nothing of ours is kept.
        }
        return null;
      },
      /** Somebody is signed in: what was asked for is settled, unless it is waited for here. */
      clear() {
        store();
        if (run || !live()) return false;
        address = attempt = null;
        reset();
        return true;
      },
    };
  }

  /** Sign-in and sign-up differ in the names of their members. */
  function signing(purpose, field, initial, verification, fill, statuses) {
    const self = { id: null, ...initial(), createdSessionId: null };
    const link = emailLink(self, purpose, verification, (attempt, result) => {
      const { status } = attempt ?? {};
      self.createdSessionId = result?.id ?? null;
      self.status = result ? "complete" : ["denied", "canceled", "failed", "verified"].includes(status) ? statuses[1] : statuses[0];
      fill(self, self[field], result);
    });
    const begin = (address) => {
      Object.assign(self, { ...initial(), id: secret(), [field]: address, createdSessionId: null, status: statuses[0] });
      fill(self, address, null);
    };
    self.create = async (params) => {
      if (link.name(params?.[field])) {
        begin(params[field]);
        emit();
      }
      return self;
    };
    return {
      self,
      clear: () => link.clear() && Object.assign(self, initial(), { id: null }),
      restore() {
        const address = link.restore();
        if (address) begin(address);
      },
    };
  }

  const factor = {};
  const signIn = signing(
    "sign_in",
    "identifier",
    () => ({ status: "needs_identifier", identifier: null, supportedFirstFactors: [], firstFactorVerification: factor }),
    factor,
    (self, safeIdentifier) => {
      const strategy = "email_link";
      self.supportedFirstFactors = [{ strategy, emailAddressId: `idn_${self.id}`, safeIdentifier }];
    },
    ["needs_first_factor", "needs_first_factor"],
  );
  const emailAddress = {};
  const signUp = signing(
    "sign_up",
    "emailAddress",
    () => ({ status: null, emailAddress: null, missingFields: [], verifications: { emailAddress }, createdUserId: null }),
    emailAddress,
    (self, _, result) => {
      self.unverifiedFields = result ? [] : ["email_address"];
      self.createdUserId = result?.user?.id ?? null;
    },
    ["missing_requirements", "abandoned"],
  );
  Object.assign(client, { signIn: signIn.self, signUp: signUp.self });

  function addressOf(text) {
    const verification = {};
    const toString = () => text;
    const self = { id: `idn_${secret()}`, emailAddress: text, verification, linkedTo: [], emailProof: null, toString };
    const link = emailLink(self, "verify_email", verification, (_, proof) => (self.emailProof = proof?.email_proof ?? null));
    link.name(text);
    return self;
  }

  function userOf({ id, email_address }) {
    const primary = addressOf(email_address);
    Object.assign(primary.verification, { status: "verified", verifiedAtClient: client.id });
    const self = {
      id,
      primaryEmailAddress: primary,
      primaryEmailAddressId: primary.id,
      emailAddresses: [primary],
      reload: async () => self,
      async createEmailAddress({ email }) {
        const known = self.emailAddresses.find(({ emailAddress }) => emailAddress === email);
        if (known) return known;
        const address = addressOf(email);
        self.emailAddresses = [...self.emailAddresses, address];
        emit();
        return address;
      },
    };
    return self;
  }

  // --- Where links lead to ---

  let arrival;

  /** linkgate's parameters, which leave the address bar. */
  function returned() {
    const at = new URL(location.href);
    const status = at.searchParams.get("__linkgate_status");
    const id = at.searchParams.get("__linkgate_session");
    for (const name of ["status", "session", "ticket"]) at.searchParams.delete(`__linkgate_${name}`);
    if (status) history.replaceState(history.state, "", at);
    return { status, id };
  }

  async function arrive({ status, id }, { redirectUrl, redirectUrlComplete, onVerifiedOnOtherDevice }, navigate) {
    if (status !== "verified") {
      throw new EmailLinkError(["expired", "client_mismatch"].includes(status) ? status : "failed");
    }
    if (id && !held(id)) adopt(await persist(api.readSession));
    tell();
    const complete = () => redirectUrlComplete && navigate(redirectUrlComplete);
    if (held(id)) return setActive({ session: id, beforeEmit: complete });
    // An address that was added here: there is no new session, and nothing is missing.
    if (!id && session) return complete();
    if (client.signIn.status === "needs_first_factor" || client.signUp.status === "missing_requirements") {
      return redirectUrl && navigate(redirectUrl);
    }
    onVerifiedOnOtherDevice?.();
    return null;
  }

  async function handleEmailLinkVerification(params = {}, navigate = go) {
    await load();
    const found = returned();
    // Called again, in StrictMode for instance: what has begun goes on.
    if (found.status || !arrival) arrival = arrive(found, params, navigate);
    return arrival;
  }

  return {
    ...api,
    url: base,
    load,
    setActive,
    signOut,
    getToken,
    handleEmailLinkVerification,
    addListener(listener) {
      listeners.add(listener);
      if (loaded) listener(seen());
      return () => listeners.delete(listener);
    },
    get loaded() {
      return loaded;
    },
    get client() {
      return loaded ? client : undefined;
    },
    get session() {
      return session;
    },
    get user() {
      return seen().user;
    },
  };
}
