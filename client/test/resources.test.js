/** Sign-in, sign-up and added addresses: the semantics that components rely on. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isEmailLinkError } from "../src/linkgate.js";
import { problem, settle, stateOf, world } from "./fake.js";

const BACK = "https://app.example.com/verify";
let the, service, clock;
beforeEach(() => {
  the = world();
  ({ service, clock } = the);
});
afterEach(() => the.end());

/** The three flows behind one interface: how each begins, and where it keeps its verification. */
const FLOWS = {
  "sign-in": {
    purpose: "sign_in",
    async begin(linkgate, address) {
      const it = linkgate.client.signIn;
      assert.equal(await it.create({ identifier: address }), it);
      const { emailAddressId } = it.supportedFirstFactors[0];
      return { it, params: { emailAddressId }, verification: () => it.firstFactorVerification };
    },
    statuses: { verified: "complete", expired: "needs_first_factor", denied: "needs_first_factor" },
  },
  "sign-up": {
    purpose: "sign_up",
    async begin(linkgate, address) {
      const it = linkgate.client.signUp;
      assert.equal(await it.create({ emailAddress: address }), it);
      return { it, params: {}, verification: () => it.verifications.emailAddress };
    },
    statuses: { verified: "complete", expired: "missing_requirements", denied: "abandoned" },
  },
  "added address": {
    purpose: "verify_email",
    async begin(linkgate, address) {
      const it = await linkgate.user.createEmailAddress({ email: address });
      return { it, params: {}, verification: () => it.verification };
    },
    statuses: {},
  },
};

for (const [name, flow] of Object.entries(FLOWS)) {
  describe(`the ${name} flow`, () => {
    let linkgate, begun;
    beforeEach(async () => {
      if (flow.purpose === "verify_email") service.hold({ id: "att_0", email_address: "owner@example.com" });
      linkgate = await the.tab();
      begun = await flow.begin(linkgate, "Ada@Example.com");
    });
    const start = (more) => begun.it.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK, ...begun.params, ...more });

    it("creates its two functions without side effects, and they need no this", async () => {
      const before = service.requests.length;
      for (let render = 0; render < 3; render++) {
        const { startEmailLinkFlow, cancelEmailLinkFlow } = begun.it.createEmailLinkFlow();
        assert.equal(typeof startEmailLinkFlow, "function");
        cancelEmailLinkFlow();
        cancelEmailLinkFlow();
      }
      await clock.pass(60_000);
      assert.equal(service.requests.length, before);
    });

    it("sends one mail, waits, and resolves with the same object when verified", async () => {
      const going = start();
      await settle();
      assert.deepEqual(service.mails, ["Ada@Example.com"]);
      assert.deepEqual(service.requests.find(({ path }) => path === "/v1/attempts").body, {
        email_address: "Ada@Example.com", purpose: flow.purpose, redirect_url: BACK,
      });
      assert.equal(begun.verification().status, "unverified");
      assert.equal(begun.verification().strategy, "email_link");
      assert.deepEqual(begun.verification().expireAt, new Date(service.newest.expires_at));
      assert.equal(begun.verification().verifiedFromTheSameClient(), false);
      assert.equal(await stateOf(going), "pending");
      service.verify(service.newest);
      assert.equal(await going, begun.it);
      const { status, error, verifiedAtClient, verifiedFromTheSameClient } = begun.verification();
      assert.deepEqual({ status, error, verifiedAtClient }, { status: "verified", error: null, verifiedAtClient: "client_1" });
      assert.equal(verifiedFromTheSameClient(), true);
      if (flow.statuses.verified) {
        assert.equal(begun.it.status, "complete");
        assert.equal(begun.it.createdSessionId, "sess_att_1");
        assert.equal(linkgate.session, null, "nobody is signed in before setActive");
        assert.equal(linkgate.client.sessions[0].id, "sess_att_1");
      } else assert.equal(begun.it.emailProof, "proof of Ada@Example.com");
      assert.equal(clock.timers, 0, "no timer is left");
    });

    it("knows that the link was opened in another browser", async () => {
      const going = start();
      await settle();
      service.verify(service.newest, { verified_from_same_client: false, signed_in: flow.purpose === "verify_email" ? null : "requester" });
      await going;
      assert.equal(begun.verification().status, "verified");
      assert.equal(begun.verification().verifiedFromTheSameClient(), false);
      assert.equal(begun.verification().verifiedAtClient, null);
      if (flow.statuses.verified) assert.equal(begun.it.status, "complete");
    });

    for (const [end, verification] of [
      [{ status: "expired" }, "expired"],
      [{ status: "denied" }, "failed"],
      [{ status: "canceled" }, "failed"],
      [{ status: "failed", failure: "too_many_codes" }, "failed"],
      [{ status: "failed", failure: "state_lost" }, "failed"],
    ]) {
      it(`resolves with the same object when ${end.failure ?? end.status}`, async () => {
        const going = start();
        await settle();
        service.end(service.newest, end);
        assert.equal(await going, begun.it);
        assert.equal(begun.verification().status, verification);
        assert.equal(begun.verification().error.code, end.failure ?? end.status);
        assert.equal(isEmailLinkError(begun.verification().error), false);
        if (flow.statuses.verified) {
          assert.equal(begun.it.status, flow.statuses[end.status] ?? flow.statuses.denied);
          assert.equal(begun.it.createdSessionId, null);
        }
        assert.equal(clock.timers, 0);
        // Starting again works, and sends another mail.
        const again = start();
        await settle();
        assert.equal(service.mails.length, 2);
        assert.equal(begun.verification().status, "unverified");
        service.verify(service.newest);
        await again;
        assert.equal(begun.verification().status, "verified");
      });
    }

    it("expires in ten minutes, with at most 30 requests", async () => {
      const before = service.requests.length;
      const going = start();
      await clock.pass(601_000);
      assert.equal(await going, begun.it);
      assert.equal(begun.verification().status, "expired");
      const requests = service.requests.length - before;
      assert.ok(requests <= 30, `${requests} requests`);
    });

    it("sends one mail when called twice, as StrictMode does, with and without the cleanup in between", async () => {
      const first = start();
      begun.it.createEmailLinkFlow().cancelEmailLinkFlow();
      const second = start();
      const third = start();
      await settle();
      assert.equal(service.mails.length, 1);
      assert.equal(service.count("POST", /attempts$/), 1, "not even asked for twice");
      service.verify(service.newest);
      assert.equal(await second, begun.it);
      assert.equal(await third, begun.it);
      assert.equal(await stateOf(first), "pending");
    });

    it("sends one mail when cancelled while the mail is being sent, and started again", async () => {
      const first = start();
      let release;
      service.trouble = (request) => {
        if (request.path !== "/v1/attempts") return;
        service.trouble = null;
        // The service has sent the mail; its answer is lost.
        service.answer(request);
        return new Promise((resolve) => (release = resolve));
      };
      await settle();
      begun.it.createEmailLinkFlow().cancelEmailLinkFlow();
      await settle();
      const second = start();
      await settle();
      release(problem(500, "internal"));
      assert.equal(service.mails.length, 1);
      const keys = service.requests.filter(({ path }) => path === "/v1/attempts").map(({ headers }) => headers.get("idempotency-key"));
      assert.equal(keys.length, 2);
      assert.equal(keys[0], keys[1]);
      service.verify(service.newest);
      await second;
      assert.equal(await stateOf(first), "pending");
    });

    it("stops at once when cancelled, frees timers and requests, and starts again", async () => {
      const { startEmailLinkFlow, cancelEmailLinkFlow } = begun.it.createEmailLinkFlow();
      const going = startEmailLinkFlow({ redirectUrl: BACK, ...begun.params });
      await settle();
      const poll = service.requests.at(-1);
      assert.equal(poll.signal.aborted, false);
      cancelEmailLinkFlow();
      cancelEmailLinkFlow();
      await settle();
      assert.equal(poll.signal.aborted, true);
      assert.equal(clock.timers, 0);
      const asked = service.requests.length;
      await clock.pass(20_000);
      assert.equal(service.requests.length, asked);
      assert.equal(await stateOf(going), "pending");

      // Soon after, the first mail is still good.
      const again = startEmailLinkFlow({ redirectUrl: BACK, ...begun.params });
      await settle();
      assert.equal(service.mails.length, 1);
      cancelEmailLinkFlow();
      // Later, the same attempt sends a new one.
      await clock.pass(20_000);
      const last = startEmailLinkFlow({ redirectUrl: BACK, ...begun.params });
      await settle();
      assert.equal(service.mails.length, 2);
      assert.equal(service.attempts.size, 1);
      service.verify(service.newest);
      assert.equal(await last, begun.it);
      assert.equal(await stateOf(again), "pending");
    });

    it("settles a cancelled flow if a signal was given, and stops when the signal is aborted", async () => {
      const cancelled = start({ signal: new AbortController().signal });
      await settle();
      begun.it.createEmailLinkFlow().cancelEmailLinkFlow();
      await assert.rejects(cancelled, { name: "AbortError" });

      const controller = new AbortController();
      const aborted = start({ signal: controller.signal });
      await settle();
      controller.abort(new Error("enough"));
      await assert.rejects(aborted, /enough/);
      assert.equal(clock.timers, 0);
      await assert.rejects(start({ signal: AbortSignal.abort() }), { name: "AbortError" });
      assert.equal(service.mails.length, 1);
    });

    it("rejects when the mail cannot be sent, and a repeat sends one", async () => {
      service.trouble = ({ path }) => path === "/v1/attempts" && problem(503, "mail_unavailable", {}, { "Retry-After": "5" });
      await assert.rejects(start(), ({ code, errors }) => code === "mail_unavailable" && errors[0].longMessage === "it is mail_unavailable");
      service.trouble = null;
      const going = start();
      await settle();
      assert.equal(service.mails.length, 1);
      service.verify(service.newest);
      await going;
    });

    it("notifies listeners of its end", async () => {
      const going = start();
      await settle();
      let told = 0;
      linkgate.addListener(() => told++);
      told = 0;
      service.end(service.newest, { status: "expired" });
      await going;
      assert.ok(told > 0);
    });

    it("redeems across an outage", async () => {
      const going = start();
      await settle();
      let failures = 0;
      service.trouble = ({ path }) => path.endsWith("/redeem") && ++failures <= 3 && problem(503, "store_unavailable", {}, { "Retry-After": "1" });
      service.verify(service.newest);
      await clock.pass(20_000);
      await going;
      assert.equal(failures, 4);
      assert.equal(begun.verification().status, "verified");
    });

    it("asks for the relay code once, and submits it", async () => {
      linkgate = await the.tab({ onRelayCode: (asked) => codes.push(asked) });
      const codes = [];
      begun = await flow.begin(linkgate, "ada@example.com");
      const going = start();
      await settle();
      service.end(service.newest, { status: "awaiting_code" });
      await settle();
      assert.equal(codes.length, 1);
      const [asked] = codes;
      assert.deepEqual([asked.emailAddress, asked.triesLeft, asked.signal.aborted], ["ada@example.com", 5, false]);
      await assert.rejects(asked.submit("000 000"), ({ code, code_tries_left }) => code === "code_incorrect" && code_tries_left === 4);
      await asked.submit("123 456");
      assert.equal(asked.signal.aborted, true, "the code is no longer wanted");
      assert.equal(await going, begun.it);
      assert.equal(begun.verification().status, "verified");
      assert.equal(begun.verification().verifiedFromTheSameClient(), false);
    });

    it("withdraws the request for the code when cancelled, and asks again when started again", async () => {
      linkgate = await the.tab({ onRelayCode: (asked) => codes.push(asked) });
      const codes = [];
      begun = await flow.begin(linkgate, "ada@example.com");
      start();
      await settle();
      service.end(service.newest, { status: "awaiting_code" });
      await settle();
      begun.it.createEmailLinkFlow().cancelEmailLinkFlow();
      assert.equal(codes[0].signal.aborted, true);
      const going = start();
      await settle();
      assert.equal(codes.length, 2);
      service.end(service.newest, { status: "failed", failure: "too_many_codes" });
      await going;
      assert.equal(codes[1].signal.aborted, true);
    });
  });
}

describe("sign-in", () => {
  it("begins as needs_identifier, and offers the address exactly as typed", async () => {
    const { client } = await the.tab();
    assert.equal(client.signIn.status, "needs_identifier");
    assert.deepEqual(client.signIn.supportedFirstFactors, []);
    const kept = client.signIn;
    await client.signIn.create({ identifier: " Ada+x@Example.COM " });
    assert.equal(kept.status, "needs_first_factor");
    assert.equal(kept.identifier, " Ada+x@Example.COM ");
    const [{ strategy, safeIdentifier, emailAddressId }, ...others] = kept.supportedFirstFactors;
    assert.deepEqual([strategy, safeIdentifier, others], ["email_link", " Ada+x@Example.COM ", []]);
    assert.match(emailAddressId, /^idn_/);
  });

  it("rejects clearly before create, without an address and for an unknown emailAddressId", async () => {
    const { client } = await the.tab();
    const { startEmailLinkFlow } = client.signIn.createEmailLinkFlow();
    await assert.rejects(startEmailLinkFlow({ redirectUrl: BACK }), /create\(\)/);
    await assert.rejects(client.signUp.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK }), /create\(\)/);
    await assert.rejects(client.signIn.create({ identifier: " " }), { code: "invalid_email_address" });
    await assert.rejects(client.signUp.create({}), { code: "invalid_email_address" });
    await client.signIn.create({ identifier: "ada@example.com" });
    await assert.rejects(startEmailLinkFlow({ redirectUrl: BACK, emailAddressId: "idn_1" }), /emailAddressId/);
    assert.equal(service.mails.length, 0);
  });

  it("lets functions made before create work after it", async () => {
    const { client } = await the.tab();
    const { startEmailLinkFlow } = client.signIn.createEmailLinkFlow();
    await client.signIn.create({ identifier: "ada@example.com" });
    const going = startEmailLinkFlow({ redirectUrl: "/verify?x=1" });
    await settle();
    assert.equal(service.newest.redirect_url, "https://app.example.com/verify?x=1", "relative to the page");
    service.verify(service.newest);
    await going;
  });

  it("resolves without a session when the opener signed in there instead", async () => {
    const { client } = await the.tab();
    await client.signIn.create({ identifier: "ada@example.com" });
    const going = client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    service.verify(service.newest, { signed_in: "opener", verified_from_same_client: false });
    await going;
    assert.equal(client.signIn.status, "needs_first_factor");
    assert.equal(client.signIn.createdSessionId, null);
    assert.equal(client.signIn.firstFactorVerification.status, "verified");
    assert.equal(client.signIn.firstFactorVerification.error.code, "signed_in_elsewhere");
    assert.equal(client.sessions.length, 0);
  });

  it("cancels the link to a mistyped address", async () => {
    const { client } = await the.tab();
    await client.signIn.create({ identifier: "adda@example.com" });
    const first = client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    await client.signIn.create({ identifier: "ada@example.com" });
    await settle();
    assert.equal(service.attempts.get("att_1").status, "canceled");
    assert.equal(await stateOf(first), "pending");
    client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    assert.deepEqual(service.mails, ["adda@example.com", "ada@example.com"]);
  });

  it("sends no second mail when effects run twice with create in them", async () => {
    const { client } = await the.tab();
    const effect = async () => {
      const { supportedFirstFactors } = await client.signIn.create({ identifier: "ada@example.com" });
      const [{ emailAddressId }] = supportedFirstFactors;
      return client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK, emailAddressId });
    };
    const both = [effect(), effect()];
    await settle();
    assert.equal(service.mails.length, 1);
    await clock.pass(3000);
    both.push(effect());
    await settle();
    assert.equal(service.mails.length, 1);
    service.verify(service.newest);
    assert.deepEqual(await Promise.all(both), [client.signIn, client.signIn, client.signIn]);
  });

  it("continues after a reload, and works without storage", async () => {
    const before = await the.tab();
    await before.client.signIn.create({ identifier: "ada@example.com" });
    before.client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    const { client } = await the.tab();
    assert.equal(client.signIn.status, "needs_first_factor");
    assert.equal(client.signIn.identifier, "ada@example.com");
    assert.equal(client.signUp.status, null);
    await client.signIn.create({ identifier: "ada@example.com" });
    const going = client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    assert.equal(service.mails.length, 1);
    service.verify(service.newest);
    await going;
    assert.equal(client.signIn.status, "complete");

    the.globals.localStorage.getItem = the.globals.localStorage.setItem = () => {
      throw new Error("denied");
    };
    const poor = await the.tab();
    await poor.client.signIn.create({ identifier: "bob@example.com" });
    const poorly = poor.client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    service.verify(service.newest);
    await poorly;
    assert.equal(poor.client.signIn.status, "complete");
  });

  it("does not restore an attempt that expired before the reload", async () => {
    const before = await the.tab();
    await before.client.signIn.create({ identifier: "ada@example.com" });
    before.client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    before.client.signIn.createEmailLinkFlow().cancelEmailLinkFlow();
    await clock.pass(601_000);
    const { client } = await the.tab();
    assert.equal(client.signIn.status, "needs_identifier");
    assert.equal(the.globals.localStorage.kept.size, 0, "no address stays behind");
  });

  it("leaves a sign-in of another tab alone", async () => {
    const one = await the.tab();
    await one.client.signIn.create({ identifier: "ada@example.com" });
    one.client.signIn.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    const two = await the.tab();
    await two.client.signIn.create({ identifier: "bob@example.com" });
    await settle();
    assert.equal(service.attempts.get("att_1").status, "pending");
  });
});

describe("sign-up", () => {
  it("has no status before create, and lists the missing fields after it", async () => {
    const { client } = await the.tab();
    const { signUp } = client;
    assert.equal(signUp.status, null);
    await signUp.create({ emailAddress: "ada@example.com" });
    assert.equal(signUp.status, "missing_requirements");
    assert.equal(signUp.emailAddress, "ada@example.com");
    assert.deepEqual(signUp.unverifiedFields, ["email_address"]);
    const going = signUp.createEmailLinkFlow().startEmailLinkFlow({ redirectUrl: BACK });
    await settle();
    service.verify(service.newest);
    await going;
    assert.deepEqual([signUp.unverifiedFields, signUp.createdUserId], [[], "user_ada@example.com"]);
  });
});

describe("added addresses", () => {
  it("are found again among the user's, once each", async () => {
    service.hold({ id: "att_0", email_address: "owner@example.com" });
    const linkgate = await the.tab();
    const { user } = linkgate;
    const added = await user.createEmailAddress({ email: "new@example.com" });
    assert.equal(await user.createEmailAddress({ email: "new@example.com" }), added);
    await user.reload();
    assert.equal(user.emailAddresses.find(({ id }) => id === added.id), added);
    assert.deepEqual(user.emailAddresses.map(String), ["owner@example.com", "new@example.com"]);
    assert.equal(user.primaryEmailAddress.verification.status, "verified");
    assert.equal(added.verification.status, "unverified");
    await assert.rejects(user.createEmailAddress({ email: "" }), { code: "invalid_email_address" });
  });
});
