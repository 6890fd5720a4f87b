/** A clock that only the test moves, a scripted service, and the parts of a browser that the core needs. */
import { createLinkgate } from "../src/linkgate.js";

export const URL_OF_SERVICE = "https://login.example.com";
const realImmediate = globalThis.setImmediate;

/** Runs everything that does not wait for a timer. */
export async function settle() {
  for (let turn = 0; turn < 12; turn++) await new Promise((next) => realImmediate(next));
}

export class Clock {
  #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, now: Date.now };
  #timers = new Map();
  #last = 0;
  now = Date.parse("2030-01-01T00:00:00Z");

  install() {
    globalThis.setTimeout = (call, ms = 0) => {
      this.#timers.set(++this.#last, { call, at: this.now + Math.max(0, ms) });
      return this.#last;
    };
    globalThis.clearTimeout = (id) => this.#timers.delete(id);
    Date.now = () => this.now;
    return this;
  }
  restore() {
    Object.assign(globalThis, { setTimeout: this.#real.setTimeout, clearTimeout: this.#real.clearTimeout });
    Date.now = this.#real.now;
  }
  get timers() {
    return this.#timers.size;
  }
  async pass(ms) {
    const until = this.now + ms;
    await settle();
    for (;;) {
      const [id, next] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!next || next.at > until) break;
      this.now = next.at;
      this.#timers.delete(id);
      next.call();
      await settle();
    }
    this.now = until;
    await settle();
  }
}

const iso = (ms) => new Date(ms).toISOString();
const json = (status, body, headers = {}) => new Response(body === null ? null : JSON.stringify(body), { status, headers });
const problem = (status, code, more = {}, headers) => json(status, { code, title: code, detail: `it is ${code}`, status, ...more }, headers);

/** A linkgate made of maps. `trouble(request)` may respond in its place, throw, or hold the request. */
export class Service {
  requests = [];
  attempts = new Map();
  keys = new Map();
  mails = [];
  session = null;
  trouble = null;
  holds = true;
  tokens = 0;
  /** How far its clock is ahead of the client's, in milliseconds. */
  skew = 0;

  constructor(clock) {
    this.clock = clock;
  }
  get now() {
    return this.clock.now + this.skew;
  }
  count(method, pattern) {
    return this.requests.filter((one) => one.method === method && pattern.test(one.path)).length;
  }

  fetch = async (input, init = {}) => {
    const url = new URL(input);
    const headers = new Headers(init.headers);
    const request = {
      method: init.method, path: url.pathname, query: url.searchParams, headers, signal: init.signal,
      body: init.body && JSON.parse(init.body), at: this.clock.now,
    };
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      const abort = () => reject(new DOMException("aborted", "AbortError"));
      if (init.signal?.aborted) return abort();
      init.signal?.addEventListener("abort", abort);
      Promise.resolve(this.trouble?.(request)).then((answer) => answer || this.answer(request)).then(resolve, reject);
    });
  };

  answer(request) {
    const { method, path, body } = request;
    if (path === "/v1/session") {
      if (method === "DELETE") {
        this.session = null;
        return json(204, null);
      }
      return this.session ? json(200, this.session) : problem(401, "session_required");
    }
    if (path === "/v1/session/token") return this.session ? json(200, this.grant()) : problem(401, "session_required");
    if (path === "/v1/attempts") return json(201, this.start(body, request.headers.get("idempotency-key")));
    const [, id, verb] = /^\/v1\/attempts\/([^/]+)(?:\/(\w+))?$/.exec(path);
    const attempt = this.attempts.get(id);
    if (!attempt || request.headers.get("authorization") !== `Bearer token of ${id}`) return problem(401, "attempt_token_invalid");
    if (verb === "redeem") return this.redeem(attempt);
    if (verb === "resend") return this.resend(attempt);
    if (verb === "code") return this.code(attempt, body.code);
    if (method === "DELETE") {
      this.end(attempt, { status: "canceled" });
      return json(204, null);
    }
    return this.poll(attempt, request);
  }

  start(body, key) {
    const known = this.keys.get(key);
    if (known) return { ...this.view(known), attempt_token: `token of ${known.id}`, created_at: known.created_at };
    const id = `att_${this.attempts.size + 1}`;
    const attempt = {
      id, status: "pending", purpose: body.purpose, email_address: body.email_address, redirect_url: body.redirect_url,
      created_at: iso(this.now), expires_at: iso(this.now + 600_000), resend_after: iso(this.now + 30_000),
      verified_at: null, verified_from_same_client: null, signed_in: null, session_id: null, code_tries_left: 5, waiters: [],
    };
    this.attempts.set(id, attempt);
    if (key) this.keys.set(key, attempt);
    this.mails.push(body.email_address);
    return { ...this.view(attempt), attempt_token: `token of ${id}`, created_at: attempt.created_at };
  }
  view({ waiters, redirect_url, created_at, ...attempt }) {
    return { object: "attempt", ...attempt };
  }
  resend(attempt) {
    if (Date.parse(attempt.resend_after) > this.now) return problem(429, "resend_too_soon", {}, { "Retry-After": "5" });
    attempt.resend_after = iso(this.now + 30_000);
    this.mails.push(attempt.email_address);
    return json(200, this.view(attempt));
  }
  code(attempt, code) {
    if (attempt.status !== "awaiting_code") return problem(409, "attempt_over");
    if (code === "123456") {
      this.verify(attempt, { verified_from_same_client: false, signed_in: "requester" });
      return json(200, this.view(attempt));
    }
    attempt.code_tries_left--;
    return problem(422, "code_incorrect", { code_tries_left: attempt.code_tries_left });
  }
  poll(attempt, request) {
    const seen = request.query.get("seen") ?? "pending";
    const wait = Number(/wait=(\d+)/.exec(request.headers.get("prefer"))?.[1] ?? 0);
    if (attempt.status === "pending" && Date.parse(attempt.expires_at) <= this.now) attempt.status = "expired";
    if (!this.holds || !wait || attempt.status !== seen) return json(200, this.view(attempt), { "Retry-After": "1" });
    return new Promise((resolve) => {
      const left = Math.max(0, Date.parse(attempt.expires_at) - this.now);
      const answer = () => {
        clearTimeout(timer);
        if (attempt.status === "pending" && Date.parse(attempt.expires_at) <= this.now) attempt.status = "expired";
        resolve(json(200, this.view(attempt)));
      };
      const timer = setTimeout(answer, Math.min(wait * 1000, left));
      request.signal?.addEventListener("abort", () => clearTimeout(timer));
      attempt.waiters.push(answer);
    });
  }
  end(attempt, change) {
    Object.assign(attempt, change);
    for (const waiter of attempt.waiters.splice(0)) waiter();
  }
  /** Opens and confirms the link, by default in the requester's own browser. */
  verify(attempt, change = {}) {
    const session_id = attempt.purpose === "verify_email" ? null : `sess_${attempt.id}`;
    const same = { verified_from_same_client: true, signed_in: attempt.purpose === "verify_email" ? null : "both" };
    this.end(attempt, { status: "verified", verified_at: iso(this.now), session_id, ...same, ...change });
    if (attempt.signed_in === "both") this.hold(attempt);
  }
  hold({ id, email_address }) {
    const user = { id: `user_${email_address.toLowerCase()}`, email_address };
    this.session = { object: "session", id: `sess_${id}`, user, client_id: "client_1", expires_at: iso(this.now + 30 * 86_400_000) };
  }
  grant() {
    return { ...this.session, session_token: `jwt ${++this.tokens}`, expires_in: 300 };
  }
  redeem(attempt) {
    if (attempt.status !== "verified") return problem(409, "attempt_not_verified");
    if (attempt.purpose === "verify_email") {
      const { email_address } = attempt;
      return json(200, { object: "email_proof", email_proof: `proof of ${email_address}`, expires_in: 300, email_address, user: null });
    }
    if (attempt.signed_in === "opener" && !attempt.verified_from_same_client) return problem(409, "signed_in_elsewhere");
    this.hold(attempt);
    return json(200, this.grant());
  }
  get newest() {
    return [...this.attempts.values()].at(-1);
  }
}

class Storage {
  kept = new Map();
  getItem = (name) => this.kept.get(name) ?? null;
  setItem = (name, value) => void this.kept.set(name, String(value));
  removeItem = (name) => void this.kept.delete(name);
}

/** BroadcastChannel between the tabs of one browser and origin. Messages arrive at once. */
function channels() {
  const open = new Set();
  return class {
    constructor(name) {
      this.name = name;
      open.add(this);
    }
    postMessage(data) {
      for (const other of open) if (other !== this && other.name === this.name) queueMicrotask(() => other.onmessage?.({ data }));
    }
    close() {
      open.delete(this);
    }
  };
}

/** The environment of one test. `at` is the URL of the page. */
export function world({ at = "https://app.example.com/start?a=1" } = {}) {
  const clock = new Clock().install();
  const service = new Service(clock);
  const events = new EventTarget();
  const visited = [];
  const globals = {
    fetch: service.fetch,
    localStorage: new Storage(),
    BroadcastChannel: channels(),
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events),
    location: { href: at, assign: (to) => void visited.push(to) },
    history: { state: { kept: true }, replaceState: (state, _, to) => void (globals.location.href = String(to)) },
  };
  if (!globalThis.crypto?.randomUUID) globals.crypto = { randomUUID: () => `${Math.random()}-${Math.random()}` };
  const before = Object.fromEntries(Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]));
  for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return {
    clock, service, visited, globals,
    dispatch: (type) => events.dispatchEvent(new Event(type)),
    visit: (to) => void (globals.location.href = to),
    /** Opens another tab and loads its client. */
    async tab(options = {}) {
      const linkgate = createLinkgate({ url: URL_OF_SERVICE, ...options });
      const seen = [];
      linkgate.addListener(({ session }) => seen.push(session && session.id));
      linkgate.load().catch(() => {});
      await settle();
      return Object.assign(linkgate, { seen });
    },
    end() {
      clock.restore();
      for (const [name, was] of Object.entries(before)) {
        if (was) Object.defineProperty(globalThis, name, was);
        else delete globalThis[name];
      }
    },
  };
}

/** The state of a promise, without waiting for it. */
export async function stateOf(promise) {
  await settle();
  return Promise.race([promise.then(() => "resolved", () => "rejected"), settle().then(() => "pending")]);
}

export { json, problem };
