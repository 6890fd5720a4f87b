/** The demo in one browser: signing in and out, and the ways in which a sign-in fails. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ask, isSignedIn, isSignedOut, linkTo, open, people, picture, someone, startChromium, startLinkgate } from "./support.js";

describe("the demo, in one browser", { concurrency: 7 }, () => {
  let linkgate, chromium, world;
  before(async () => {
    linkgate = await startLinkgate();
    chromium = await startChromium();
    world = people(chromium, linkgate.url);
  });
  after(async () => {
    try {
      await world?.close();
    } finally {
      await chromium?.close();
      await linkgate?.stop();
    }
  });

  it("signs in through the mail in the mailbox, in both tabs, and signs out in both", async () => {
    const address = someone();
    const browser = await world.browser();
    const page = await ask(browser, linkgate.url, address);
    assert.match(await page.locator("#countdown").textContent(), /^(10:00|9:5\d)$/);
    assert.match(await page.locator("#resend").textContent(), /^Resend in 0:(30|2\d)$/);
    assert.equal(await page.locator("#resend").isDisabled(), true);
    const first = await page.locator("#countdown").textContent();
    await page.waitForFunction((first) => document.getElementById("countdown").textContent !== first, first);
    assert.equal(await page.title(), "Check your mail · linkgate demo");

    const mailboxOpens = page.waitForEvent("popup");
    await page.getByRole("link", { name: "Open the mailbox" }).click();
    const mailbox = await mailboxOpens;
    await mailbox.getByRole("link", { name: address }).click();
    await mailbox.getByRole("heading", { level: 1, name: /sign in/i }).waitFor();
    const text = await mailbox.locator("#text-part + pre").textContent();
    const html = mailbox.frameLocator("iframe");
    const button = html.getByRole("link", { name: /sign in/i });
    const link = await button.getAttribute("href");
    assert.equal(link, await linkTo(linkgate, address));
    assert.ok(text.split("\n").includes(link), "the text part lacks a line with the same link");
    assert.ok(text.includes(address));

    const linkOpens = browser.waitForEvent("page");
    await button.click();
    const opened = await linkOpens;
    await isSignedIn(opened, address);
    await isSignedIn(page, address);
    assert.equal(new URL(opened.url()).search, "", "linkgate parameters are still in the address bar");
    assert.equal(await page.locator("#session-id").textContent(), await opened.locator("#session-id").textContent());

    await page.getByText("Claims of the session token").click();
    await page.waitForFunction(() => document.getElementById("claims").textContent.includes("email_verified"));
    const claims = JSON.parse(await page.locator("#claims").textContent());
    assert.equal(claims.email, address);
    assert.equal(claims.xdev, false);
    assert.equal(claims.sid, await page.locator("#session-id").textContent());

    await page.reload();
    await isSignedIn(page, address);

    await opened.getByRole("button", { name: "Sign out" }).click();
    await isSignedOut(opened);
    await isSignedOut(page);
    assert.equal(await page.locator("#message").textContent(), "You have signed out in another tab.");
  });

  it("continues to wait after a reload", async () => {
    const address = someone();
    const browser = await world.browser();
    const page = await ask(browser, linkgate.url, address);
    await page.reload();
    await page.getByRole("heading", { name: "Check your mail" }).waitFor();
    await open(browser, await linkTo(linkgate, address));
    await isSignedIn(page, address);
  });

  it("cancels: the link in the mail no longer works", async () => {
    const address = someone();
    const browser = await world.browser();
    const page = await ask(browser, linkgate.url, address);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("heading", { name: "Canceled" }).waitFor();
    const opened = await open(browser, await linkTo(linkgate, address));
    await opened.getByRole("heading", { name: "This link no longer works" }).waitFor();
    await page.getByRole("button", { name: "Start again" }).click();
    await isSignedOut(page);
  });

  it("rejects an invalid address, with a message at the field", async () => {
    const browser = await world.browser();
    const page = await browser.newPage();
    await page.goto(linkgate.url);
    const field = page.getByLabel("Email address");
    await field.fill("ada@localhost");
    await page.getByRole("button", { name: "Send me a link" }).click();
    await page.getByRole("alert").filter({ hasText: "not an address" }).waitFor();
    assert.equal(await field.getAttribute("aria-invalid"), "true");
  });

  it("signs up", async () => {
    const address = someone();
    const browser = await world.browser();
    const page = await browser.newPage();
    await page.goto(linkgate.url);
    await page.getByText("Sign up", { exact: true }).click();
    await page.getByLabel("Email address").fill(address);
    await page.getByRole("button", { name: "Send me a link" }).click();
    await page.getByRole("heading", { name: "Check your mail" }).waitFor();
    await open(browser, await linkTo(linkgate, address));
    await isSignedIn(page, address);
  });

  it("resends after half a minute: only the newest link works", async () => {
    const address = someone();
    const browser = await world.browser();
    const page = await ask(browser, linkgate.url, address);
    const old = await linkTo(linkgate, address);
    await page.locator("#resend:enabled").waitFor({ timeout: 35_000 });
    await page.locator("#resend").click();
    await page.getByText("A new link is on its way.").waitFor();
    assert.match(await page.locator("#resend").textContent(), /^Resend in 0:(30|2\d)$/);
    const superseded = await open(browser, old);
    await superseded.getByRole("heading", { name: "There is a newer link" }).waitFor();
    await superseded.getByRole("button", { name: "Send me a new link" }).click();
    await superseded.getByRole("heading", { name: "A link was sent just now" }).waitFor();
    const newest = await linkTo(linkgate, address);
    assert.notEqual(newest, old);
    await open(browser, newest);
    await isSignedIn(page, address);
  });

  it("reports an expired link, whose page offers a new one that works", async () => {
    const hasty = await startLinkgate({ LINKGATE_LINK_TTL: "1m" });
    const hastyWorld = people(chromium, hasty.url);
    try {
      const address = someone();
      const browser = await hastyWorld.browser();
      const page = await ask(browser, hasty.url, address);
      const old = await linkTo(hasty, address);
      await page.getByRole("heading", { name: "The link has expired" }).waitFor({ timeout: 75_000 });
      const expired = await open(browser, old);
      await expired.getByRole("heading", { name: "This link has expired" }).waitFor();
      await picture(expired, "link-expired");
      await picture(page, "demo-expired");
      await expired.getByRole("button", { name: "Send me a new link" }).click();
      await expired.getByRole("heading", { name: "Check your mail" }).waitFor();
      await picture(expired, "link-reissued");
      const opened = await open(browser, await linkTo(hasty, address));
      await isSignedIn(opened, address);
      await hastyWorld.close();
    } finally {
      await hasty.stop();
    }
  });
});
