/** Slow tests in a real Chromium: links that expire, and a store that is down. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FLOWS, assets, begin, chromium, ground, react, says, signedIn } from "./app.js";
import { freePort, open, people, scratch, sleep, startRedis, startWorld } from "./support.js";

describe("links that live a minute", { concurrency: 3 }, () => {
  const the = ground({ LINKGATE_LINK_TTL: "1m" }, react);
  for (const flow of FLOWS) {
    it(`${flow}: says that the link has expired, in the waiting and in the opened page`, async () => {
      const { browser, page, link } = await begin(the, flow);
      await page.getByText("The link has expired").waitFor({ timeout: 75_000 });
      const opened = await open(browser, link);
      await opened.getByRole("link", { name: /^Continue/ }).click();
      await says(opened, "This link has expired");
    });
  }
});

describe("a store that is down for ten seconds", () => {
  let redis, directory, port;
  const the = {};
  before(async () => {
    directory = scratch();
    port = await freePort();
    redis = await startRedis(port, directory);
    the.world = await startWorld({ LINKGATE_STORE_URL: `redis://127.0.0.1:${port}` }, { files: assets, ...react });
    // 503s are expected here.
    the.people = people(chromium, the.world, { forgive: [/status of 50[03]/] });
  });
  after(async () => {
    try {
      await the.people?.close();
    } finally {
      await the.world?.stop();
      await redis?.stop();
    }
  });

  it("ends no wait: the links that were lost say so, and a new one signs in", async () => {
    const both = await Promise.all([begin(the, "sign-up"), begin(the, "sign-in")]);
    await redis.pause();
    await sleep(10_000);
    for (const { page } of both) await says(page, "Check your mail");
    await redis.resume();
    for (const { browser, page, owner, link } of both) {
      await open(browser, link);
      await says(page, "Verified in this browser");
      await signedIn(page, owner);
    }
  });

  it("says at once when a restarted store has lost the attempt, and starts anew", async () => {
    const { browser, page, address, owner } = await begin(the, "sign-in");
    await redis.stop();
    await sleep(10_000);
    await says(page, "Check your mail");
    redis = await startRedis(port, directory);
    await page.getByText("Not verified: state_lost").waitFor({ timeout: 45_000 });
    await page.getByRole("button", { name: "Send me a link" }).click();
    await says(page, "Check your mail");
    for (const deadline = Date.now() + 10_000; (await the.world.mails(address)).length < 2; await sleep(50)) {
      assert.ok(Date.now() < deadline, "no second mail");
    }
    await open(browser, await the.world.linkTo(address));
    await signedIn(page, owner);
  });
});
