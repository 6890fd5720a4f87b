/** Who is signed in: loading, setActive, tokens, other tabs, sign-out, and the page that links lead to. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { EmailLinkError, EmailLinkErrorCode, EmailLinkErrorCodeStatus, isEmailLinkError } from "../src/linkgate.js";
import { problem, settle, stateOf, world } from "./fake.js";

let the, service, clock;
beforeEach(() => {
  the = world();
  ({ service, clock } = the);
});
afterEach(() => the.end());

const ada = { id: "att_7", email_address: "ada@example.com" };
const bob = { id: "att_8", email_address: "bob@example.com" };

/** A tab that has just finished a sign-in, but has not called setActive. */
async function complete() {
  const linkgate = await the.tab();
  await linkgate.client.signIn.create({ identifier: "ada@example.com" });
  const going = linkgate.client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: "/verify" });
  await settle();
  service.verify(service.newest);
  await going;
  return linkgate;
}

describe("load", () => {
  it("knows nothing before, and who is signed in after", async () => {
    service.hold(ada);
    service.trouble = () => problem(503, "store_unavailable");
    const linkgate = await the.tab();
    assert.deepEqual([linkgate.loaded, linkgate.client, linkgate.session, linkgate.user], [false, undefined, undefined, undefined]);
    await clock.pass(5000);
    assert.equal(linkgate.loaded, false);
    service.trouble = null;
    await clock.pass(15_000);
    assert.equal(linkgate.loaded, true);
    assert.equal(linkgate.session.id, "sess_att_7");
    assert.equal(linkgate.user.primaryEmailAddress.emailAddress, "ada@example.com");
    assert.equal(linkgate.client.id, "client_1");
    assert.deepEqual(linkgate.seen, ["sess_att_7"]);
    assert.equal(linkgate.load(), linkgate.load(), "once");
  });

  it("rejects with an error that waiting cannot fix, and may be called again", async () => {
    service.trouble = () => problem(403, "origin_not_allowed");
    const linkgate = await the.tab();
    await assert.rejects(linkgate.load(), { code: "origin_not_allowed" });
    service.trouble = null;
    await linkgate.load();
    assert.equal(linkgate.session, null);
  });
});

describe("setActive", () => {
  for (const how of ["id", "object"]) {
    it(`takes an ${how}; nobody is signed in or out while beforeEmit is awaited`, async () => {
      const linkgate = await complete();
      const [session] = linkgate.client.sessions;
      const events = [];
      linkgate.addListener((now) => events.push([now.session?.id ?? now.session, now.user?.id ?? now.user]));
      events.length = 0;
      let release;
      const active = linkgate.setActive({
        session: how === "id" ? session.id : session,
        beforeEmit: (it) => {
          events.push(it);
          assert.equal(linkgate.session, undefined);
          assert.equal(linkgate.user, undefined);
          return new Promise((resolve) => (release = resolve));
        },
      });
      await settle();
      assert.deepEqual(events, [[undefined, undefined], session]);
      assert.equal(await stateOf(active), "pending");
      release();
      await active;
      assert.equal(linkgate.session, session);
      assert.deepEqual(events.at(-1), [session.id, session.user.id]);
    });
  }

  it("navigates by navigate or redirectUrl, in between", async () => {
    const linkgate = await complete();
    const { createdSessionId: session } = linkgate.client.signIn;
    await linkgate.setActive({ session, redirectUrl: "/home" });
    assert.deepEqual(the.visited, ["/home"]);
    const calls = [];
    await linkgate.setActive({
      session,
      navigate: ({ session: it, decorateUrl }) => calls.push([it.id, decorateUrl("/x"), linkgate.session]),
    });
    assert.deepEqual(calls, [[session, "/x", undefined]]);
  });

  it("signs in even if beforeEmit fails, and rejects", async () => {
    const linkgate = await complete();
    const [session] = linkgate.client.sessions;
    await assert.rejects(linkgate.setActive({ session, beforeEmit: () => Promise.reject(new Error("router")) }), /router/);
    assert.equal(linkgate.session, session);
  });

  it("takes null, and a session that another tab has begun, but rejects a session that this browser does not hold", async () => {
    service.hold(ada);
    const linkgate = await the.tab();
    await linkgate.setActive({ session: null });
    assert.equal(linkgate.session, null);
    service.hold(bob);
    await linkgate.setActive({ session: "sess_att_8" });
    assert.equal(linkgate.user.id, "user_bob@example.com");
    await assert.rejects(linkgate.setActive({ session: "sess_0" }), { code: "session_not_found" });
    assert.equal(linkgate.session.id, "sess_att_8");
  });
});

describe("getToken", () => {
  it("makes one request for all callers, and renews before expiry", async () => {
    service.hold(ada);
    const linkgate = await the.tab();
    const asked = () => service.count("POST", /session\/token$/);
    assert.deepEqual(await Promise.all([linkgate.getToken(), linkgate.session.getToken(), linkgate.getToken()]), ["jwt 1", "jwt 1", "jwt 1"]);
    assert.equal(asked(), 1);
    await clock.pass(269_000);
    assert.equal(await linkgate.getToken(), "jwt 1");
    await clock.pass(2000);
    assert.equal(await linkgate.getToken(), "jwt 2");
    assert.equal(await linkgate.getToken({ skipCache: true }), "jwt 3");
  });

  it("returns the old token until it expires in an outage, then rejects", async () => {
    service.hold(ada);
    const linkgate = await the.tab();
    await linkgate.getToken();
    service.trouble = () => problem(503, "store_unavailable");
    await clock.pass(280_000);
    assert.equal(await linkgate.getToken(), "jwt 1");
    await clock.pass(21_000);
    await assert.rejects(linkgate.getToken(), { code: "store_unavailable" });
  });

  it("is null when nobody is signed in, and notices a sign-out elsewhere", async () => {
    const linkgate = await the.tab();
    assert.equal(await linkgate.getToken(), null);
    service.hold(ada);
    const other = await the.tab();
    service.session = null;
    assert.equal(await other.getToken(), null);
    assert.equal(other.session, null);
    assert.equal(other.seen.at(-1), null);
  });

  it("uses the token that came with the sign-in, and no token from before a sign-out", async () => {
    const linkgate = await complete();
    assert.equal(await linkgate.getToken(), "jwt 1");
    assert.equal(service.count("POST", /session\/token$/), 0);
    let answer;
    service.trouble = ({ path }) => path.endsWith("/token") && new Promise((resolve) => (answer = resolve));
    const late = linkgate.getToken({ skipCache: true });
    await settle();
    const grant = service.answer({ path: "/v1/session/token" });
    service.trouble = null;
    await linkgate.signOut();
    answer(grant);
    assert.equal(await late, null);
  });
});

describe("tabs", () => {
  it("hear of sign-in and sign-out", async () => {
    const one = await the.tab();
    const two = await the.tab();
    assert.deepEqual(two.seen, [null]);
    service.hold(ada);
    await one.setActive({ session: "sess_att_7" });
    await settle();
    assert.equal(two.session.id, "sess_att_7");
    await two.signOut();
    await settle();
    assert.equal(one.session, null);
    assert.deepEqual(two.seen, [null, "sess_att_7", null]);
    assert.equal(await one.getToken(), null);
  });

  it("notice a missed change when they become visible again", async () => {
    service.hold(ada);
    const linkgate = await the.tab();
    service.session = null;
    await clock.pass(30_000);
    the.dispatch("focus");
    await settle();
    assert.equal(linkgate.session.id, "sess_att_7", "asked a moment ago");
    await clock.pass(31_000);
    the.dispatch("focus");
    await settle();
    assert.equal(linkgate.session, null);
  });

  it("keep their objects while nothing changes", async () => {
    service.hold(ada);
    const one = await the.tab();
    const { session, user } = one;
    const added = await user.createEmailAddress({ email: "new@example.com" });
    await (await the.tab()).setActive({ session: "sess_att_7" });
    await settle();
    assert.equal(one.session, session);
    assert.equal(one.user, user);
    assert.equal(one.user.emailAddresses[1], added);
  });
});

describe("signOut", () => {
  it("stays signed in when the service does not answer", async () => {
    service.hold(ada);
    const linkgate = await the.tab();
    service.trouble = () => problem(503, "store_unavailable");
    await assert.rejects(linkgate.signOut(), { code: "store_unavailable" });
    assert.equal(linkgate.session.id, "sess_att_7");
    service.trouble = null;
    await linkgate.signOut({ redirectUrl: "/bye" });
    assert.deepEqual([linkgate.session, linkgate.user, linkgate.client.sessions], [null, null, []]);
    assert.deepEqual(the.visited, ["/bye"]);
    let called = 0;
    await linkgate.signOut(() => called++);
    assert.equal(called, 1);
  });
});

describe("handleEmailLinkVerification", () => {
  const back = (query) => the.visit(`https://app.example.com/verify?keep=1&${query}#part`);

  it("activates a session that this client holds, then goes to redirectUrlComplete; calling it twice is harmless", async () => {
    back("__linkgate_status=verified&__linkgate_session=sess_att_7&__linkgate_ticket=t");
    service.hold(ada);
    const linkgate = await the.tab();
    const { handleEmailLinkVerification } = linkgate;
    const visited = [];
    const navigate = async (to) => visited.push([to, linkgate.session]);
    const params = { redirectUrl: "/go-on", redirectUrlComplete: "/done", onVerifiedOnOtherDevice: () => visited.push("elsewhere") };
    await Promise.all([handleEmailLinkVerification(params, navigate), handleEmailLinkVerification(params, navigate)]);
    assert.deepEqual(visited, [["/done", undefined]]);
    assert.equal(linkgate.session.id, "sess_att_7");
    assert.equal(the.globals.location.href, "https://app.example.com/verify?keep=1#part");
    await handleEmailLinkVerification(params, navigate);
    assert.equal(visited.length, 1);
  });

  it("waits for load, and for a session that it has not seen yet", async () => {
    back("__linkgate_status=verified&__linkgate_session=sess_att_7");
    const linkgate = await the.tab();
    assert.equal(linkgate.session, null);
    service.hold(ada);
    await linkgate.handleEmailLinkVerification({ redirectUrlComplete: "/done" });
    assert.deepEqual(the.visited, ["/done"]);
    assert.equal(linkgate.session.id, "sess_att_7");
  });

  it("goes to redirectUrl when this client's own sign-in or sign-up is still incomplete", async () => {
    for (const begin of [
      ({ signIn }) => signIn.create({ identifier: "ada@example.com" }),
      ({ signUp }) => signUp.create({ emailAddress: "ada@example.com" }),
    ]) {
      back("__linkgate_status=verified&__linkgate_session=sess_9");
      const linkgate = await the.tab();
      await begin(linkgate.client);
      const visited = [];
      await linkgate.handleEmailLinkVerification({ redirectUrl: "/go-on", redirectUrlComplete: "/done" }, (to) => visited.push(to));
      assert.deepEqual(visited, ["/go-on"]);
    }
  });

  it("takes the sign-in of another tab into account", async () => {
    const waiting = await the.tab();
    await waiting.client.signIn.create({ identifier: "ada@example.com" });
    waiting.client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: "/verify" });
    await settle();
    back("__linkgate_status=verified&__linkgate_session=sess_9");
    await (await the.tab()).handleEmailLinkVerification({ redirectUrl: "/go-on" });
    assert.deepEqual(the.visited, ["/go-on"]);
  });

  it("calls onVerifiedOnOtherDevice and resolves to null when verified elsewhere", async () => {
    back("__linkgate_status=verified&__linkgate_session=sess_9");
    const linkgate = await the.tab();
    let called = 0;
    const params = { redirectUrl: "/go-on", redirectUrlComplete: "/done", onVerifiedOnOtherDevice: () => called++ };
    assert.equal(await linkgate.handleEmailLinkVerification(params), null);
    assert.equal(await linkgate.handleEmailLinkVerification(params), null);
    assert.equal(called, 1);
    assert.deepEqual(the.visited, []);
  });

  it("goes to redirectUrlComplete for an address that was added here", async () => {
    back("__linkgate_status=verified");
    service.hold(ada);
    const linkgate = await the.tab();
    await linkgate.handleEmailLinkVerification({ redirectUrl: "/go-on", redirectUrlComplete: "/done" });
    assert.deepEqual(the.visited, ["/done"]);
  });

  for (const [query, code] of [
    ["__linkgate_status=expired", "expired"],
    ["__linkgate_status=failed", "failed"],
    ["__linkgate_status=client_mismatch", "client_mismatch"],
    ["__linkgate_status=denied", "failed"],
    ["", "failed"],
  ]) {
    it(`throws ${code} for ${query || "nothing"}`, async () => {
      back(query);
      const linkgate = await the.tab();
      const expected = (error) => isEmailLinkError(error) && error.code === code;
      await assert.rejects(linkgate.handleEmailLinkVerification({ redirectUrl: "/go-on" }), expected);
      await assert.rejects(linkgate.handleEmailLinkVerification({ redirectUrl: "/go-on" }), expected);
      assert.deepEqual(the.visited, []);
      assert.equal(new URL(the.globals.location.href).search, code === "failed" && !query ? "?keep=1&" : "?keep=1");
    });
  }

  it("handles a second link in the same page", async () => {
    back("__linkgate_status=expired");
    const linkgate = await the.tab();
    await assert.rejects(linkgate.handleEmailLinkVerification());
    service.hold(ada);
    back("__linkgate_status=verified&__linkgate_session=sess_att_7");
    await linkgate.handleEmailLinkVerification({ redirectUrlComplete: "/done" });
    assert.deepEqual(the.visited, ["/done"]);
  });
});

describe("isEmailLinkError", () => {
  it("goes by name, not by class", () => {
    assert.equal(isEmailLinkError(new EmailLinkError("expired")), true);
    assert.equal(isEmailLinkError({ name: "EmailLinkError", code: "failed" }), true);
    assert.equal(isEmailLinkError(new Error("EmailLinkError")), false);
    assert.equal(isEmailLinkError(undefined), false);
    assert.deepEqual(EmailLinkErrorCode, { Expired: "expired", Failed: "failed", ClientMismatch: "client_mismatch" });
    assert.deepEqual(EmailLinkErrorCodeStatus, EmailLinkErrorCode);
  });
});
