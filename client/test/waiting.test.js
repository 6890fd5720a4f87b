/** Waiting through outages, rate limits, sleep, and with other tabs. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { problem, settle, stateOf, world } from "./fake.js";

let the, service, clock, linkgate, attempt;
beforeEach(async () => {
  the = world();
  ({ service, clock } = the);
  linkgate = await the.tab();
  attempt = await linkgate.start({ emailAddress: "ada@example.com", purpose: "sign_in" });
  service.requests.length = 0;
});
afterEach(() => the.end());

const polls = () => service.count("GET", /attempts/);
const wait = (more) => linkgate.wait(attempt, more);
const verified = async (waiting) => {
  service.verify(service.newest);
  await settle();
  assert.equal((await waiting).status, "verified");
};

describe("waiting", () => {
  it("holds one request at a time, and learns of a change at once", async () => {
    const waiting = wait();
    await clock.pass(24_000);
    assert.equal(polls(), 1);
    assert.equal(service.requests[0].headers.get("prefer"), "wait=25");
    await clock.pass(2000);
    assert.equal(polls(), 2);
    await verified(waiting);
    assert.equal(polls(), 2);
    assert.equal(clock.timers, 0);
  });

  it("makes at most 30 requests in ten minutes, even if the service does not hold responses", async () => {
    for (const holds of [true, false]) {
      service.holds = holds;
      service.requests.length = 0;
      attempt = await linkgate.start({ emailAddress: "ada@example.com", purpose: "sign_in" });
      const waiting = wait();
      await clock.pass(600_000);
      assert.ok(polls() <= 30, `${polls()} requests, holds: ${holds}`);
      await clock.pass(40_000);
      assert.equal((await waiting).status, "expired");
    }
  });

  it("continues through 500s, and makes at most 30 requests in ten minutes of them", async () => {
    service.trouble = () => problem(500, "internal");
    const waiting = wait();
    await clock.pass(600_000);
    assert.equal(await stateOf(waiting), "pending");
    assert.ok(polls() <= 30, `${polls()} requests`);
    service.trouble = null;
    await clock.pass(46_000);
    assert.equal((await waiting).status, "expired");
  });

  it("comes back within seconds of a short outage", async () => {
    const waiting = wait();
    await clock.pass(1000);
    service.trouble = () => problem(503, "store_unavailable", {}, { "Retry-After": "2" });
    for (const waiter of service.newest.waiters.splice(0)) waiter();
    await clock.pass(10_000);
    service.trouble = null;
    service.verify(service.newest);
    await clock.pass(12_000);
    assert.equal((await waiting).status, "verified");
  });

  it("keeps a 429's Retry-After, whatever wakes it, in seconds and as a date", async () => {
    for (const after of [() => "40", () => new Date(clock.now + 40_000).toUTCString()]) {
      const value = after();
      let limited = true;
      service.trouble = () => limited && problem(429, "rate_limited", {}, { "Retry-After": value });
      service.requests.length = 0;
      const stopper = new AbortController();
      const waiting = wait({ signal: stopper.signal });
      await clock.pass(20_000);
      the.dispatch("focus");
      await clock.pass(18_000);
      assert.equal(polls(), 1);
      limited = false;
      await clock.pass(24_000);
      assert.equal(polls(), 2);
      stopper.abort();
      await assert.rejects(waiting, { name: "AbortError" });
    }
  });

  for (const event of ["online", "focus", "visibilitychange"]) {
    it(`tries at once on ${event} after a failure`, async () => {
      const page = new EventTarget();
      page.visibilityState = "visible";
      globalThis.document = page;
      try {
        linkgate = await the.tab();
        service.trouble = () => Promise.reject(new TypeError("Failed to fetch"));
        const waiting = wait();
        await clock.pass(100_000);
        const before = polls();
        await clock.pass(100);
        assert.equal(polls(), before);
        service.trouble = null;
        if (event === "visibilitychange") {
          page.visibilityState = "hidden";
          page.dispatchEvent(new Event(event));
          await settle();
          assert.equal(polls(), before, "not while nobody sees the page");
          page.visibilityState = "visible";
          page.dispatchEvent(new Event(event));
        } else the.dispatch(event);
        await settle();
        assert.equal(polls(), before + 1);
        await verified(waiting);
      } finally {
        delete globalThis.document;
      }
    });
  }

  it("asks again after a sleep, when the old request may hang for ever", async () => {
    service.trouble = () => new Promise(() => {});
    const waiting = wait();
    await settle();
    // The laptop sleeps: the clock jumps, no timer has fired.
    clock.now += 8 * 60_000;
    service.trouble = null;
    the.dispatch("focus");
    await settle();
    assert.equal(polls(), 2);
    assert.equal(service.requests[0].signal.aborted, true);
    await verified(waiting);
  });

  it("does not ask more often because somebody switches windows", async () => {
    const waiting = wait();
    for (let second = 0; second < 20; second++) {
      await clock.pass(400);
      the.dispatch("focus");
    }
    assert.equal(polls(), 1);
    await verified(waiting);
  });

  it("gives up a request that hangs", async () => {
    service.trouble = () => new Promise(() => {});
    const waiting = wait();
    await clock.pass(39_000);
    assert.equal(polls(), 1);
    service.trouble = null;
    await clock.pass(3000);
    assert.equal(polls(), 2);
    await verified(waiting);
  });

  it("is woken by another tab's news", async () => {
    service.trouble = ({ path }) => path.startsWith("/v1/attempts") && problem(503, "store_unavailable");
    const waiting = wait();
    await clock.pass(60_000);
    service.trouble = null;
    service.verify(service.newest);
    const other = await the.tab();
    await other.setActive({ session: service.session.id });
    await settle();
    assert.equal((await waiting).status, "verified");
  });

  it("treats a proxy's pages as no response", async () => {
    let page = 0;
    service.trouble = () => page++ < 2 && new Response("<h1>Hello</h1>", { status: page === 1 ? 502 : 200 });
    const waiting = wait();
    await clock.pass(5000);
    assert.equal(polls(), 3);
    await verified(waiting);
  });

  it("ends five minutes after the link when nobody answers any more", async () => {
    service.trouble = () => Promise.reject(new TypeError("Failed to fetch"));
    const waiting = wait();
    await clock.pass(890_000);
    assert.equal(await stateOf(waiting), "pending");
    await clock.pass(60_000);
    assert.equal((await waiting).status, "expired");
  });

  it("goes by the service's clock", async () => {
    service.skew = 3600_000;
    attempt = await linkgate.start({ emailAddress: "bob@example.com", purpose: "sign_in" });
    service.trouble = () => problem(500, "internal");
    const waiting = wait();
    await clock.pass(890_000);
    assert.equal(await stateOf(waiting), "pending", "not ended early");
    await clock.pass(60_000);
    assert.equal((await waiting).status, "expired");
  });

  it("ends as expired or failed when the service no longer knows the attempt", async () => {
    service.attempts.clear();
    const lost = await wait();
    assert.deepEqual([lost.status, lost.failure], ["failed", "state_lost"]);
    clock.now += 601_000;
    assert.equal((await wait()).status, "expired");
  });

  it("rejects with an error that waiting cannot fix", async () => {
    service.trouble = () => problem(403, "origin_not_allowed");
    await assert.rejects(wait(), { code: "origin_not_allowed" });
    assert.equal(clock.timers, 0);
  });

  it("reports each change of status", async () => {
    const seen = [];
    const waiting = wait({ onStatus: ({ status }) => seen.push(status) });
    await settle();
    service.end(service.newest, { status: "awaiting_code" });
    await settle();
    assert.equal(service.requests.at(-1).query.get("seen"), "awaiting_code");
    await verified(waiting);
    assert.deepEqual(seen, ["awaiting_code", "verified"]);
  });

  it("resends, reads and cancels", async () => {
    await assert.rejects(linkgate.resend(attempt), { code: "resend_too_soon", retryAfter: 5 });
    await clock.pass(30_000);
    assert.equal((await linkgate.resend(attempt)).attempt_token, attempt.attempt_token);
    assert.equal((await linkgate.get(attempt)).status, "pending");
    assert.equal((await linkgate.cancel(attempt)).status, "canceled");
    assert.equal((await wait()).status, "canceled");
  });
});
