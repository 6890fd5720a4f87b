/** Accessibility and appearance of all pages: keyboard only, names and roles for assistive technology, screenshots. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  ask, isSignedIn, linkTo, open, people, picture, press, someone, startChromium, startLinkgate, tabTo,
} from "./support.js";

let chromium;
before(async () => {
  chromium = await startChromium();
});
after(() => chromium?.close());

function service(settings) {
  let linkgate, world;
  before(async () => {
    linkgate = await startLinkgate(settings);
    world = people(chromium, linkgate.url);
  });
  after(async () => {
    try {
      await world?.close();
    } finally {
      await linkgate?.stop();
    }
  });
  return { url: () => linkgate.url, browser: (options) => world.browser(options), linkTo: (to) => linkTo(linkgate, to) };
}

/** Requests a link in one browser and opens it in another. */
async function opened(here) {
  const address = someone();
  const requester = await ask(await here.browser(), here.url(), address);
  const second = await here.browser();
  const link = await here.linkTo(address);
  return { address, requester, second, link, opener: await open(second, link) };
}

describe("by keyboard", () => {
  const here = service({ LINKGATE_CROSS_DEVICE: "relay_code" });

  it("signs in with Tab, Enter and digits alone, and moves the focus to new content", async () => {
    const address = someone();
    const page = await (await here.browser()).newPage();
    await page.goto(here.url());
    const field = page.getByLabel("Email address");
    await field.waitFor();
    await tabTo(page, field);
    await page.keyboard.type(address);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Check your mail" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "waiting-title");
    await tabTo(page, page.getByRole("button", { name: "Cancel" }));

    const opener = await open(await here.browser(), await here.linkTo(address));
    await tabTo(opener, opener.getByRole("button", { name: "Show the code" }));
    await opener.keyboard.press("Enter");
    const digits = opener.getByRole("img", { name: /^(\d ){5}\d$/ });
    const code = (await digits.getAttribute("aria-label")).replaceAll(" ", "");

    await page.getByLabel("The six digits").waitFor();
    await page.waitForFunction(() => document.activeElement.id === "relay-code");
    await page.keyboard.type(code);
    await page.keyboard.press("Enter");
    await isSignedIn(page, address);
    assert.equal(await page.evaluate(() => document.activeElement.id), "signed-in-title");
    await tabTo(page, page.getByRole("button", { name: "Sign out" }));
    await page.keyboard.press("Enter");
    await page.getByRole("status").filter({ hasText: "You are signed out." }).waitFor();
    await page.waitForFunction(() => document.activeElement.id === "email");
  });

  it("reaches every decision, the main one first", async () => {
    const { opener, requester } = await opened(here);
    for (const name of ["Show the code", "This wasn't me", "Sign in on this device instead"]) {
      await tabTo(opener, opener.getByRole("button", { name }), 3);
    }
    // Back from the last button, over its checkbox and the button before, to the checkbox of that button.
    for (const key of ["Shift+Tab", "Shift+Tab", "Shift+Tab", "Space", "Tab", "Enter"]) await opener.keyboard.press(key);
    await requester.getByRole("heading", { name: "That was refused" }).waitFor();
  });
});

describe("for assistive technology", () => {
  const here = service({ LINKGATE_CROSS_DEVICE: "approve" });

  it("the demo is a form with labels", async () => {
    const page = await (await here.browser()).newPage();
    await page.goto(here.url());
    await page.getByLabel("Email address").waitFor();
    assert.equal(await page.title(), "linkgate demo");
    const tree = await page.locator("body").ariaSnapshot();
    for (const part of [
      "- banner:",
      "- main:",
      '- heading "Sign in by email link" [level=1]',
      '- group "I would like to":',
      '- radio "Sign in" [checked]',
      '- radio "Sign up"',
      '- textbox "Email address"',
      '- button "Send me a link"',
      "- contentinfo:",
    ]) {
      assert.ok(tree.includes(part), `${part} is not in\n${tree}`);
    }
  });

  it("the approve page states the question and the consequences", async () => {
    const { opener } = await opened(here);
    assert.equal(await opener.title(), "Sign in to linkgate demo?");
    const tree = await opener.locator("body").ariaSnapshot();
    for (const part of [
      '- heading "Sign in to linkgate demo?" [level=1]',
      "- term: Email address",
      '- button "Yes, sign in"',
      '- button "This wasn\'t me"',
      '- button "Sign in on this device instead"',
    ]) {
      assert.ok(tree.includes(part), `${part} is not in\n${tree}`);
    }
    const yes = opener.getByRole("button", { name: "Yes, sign in" });
    const consequence = await opener.locator(`#${await yes.getAttribute("aria-describedby")}`).textContent();
    assert.match(consequence, /not here/);
    // Both buttons are equally prominent.
    const [a, b] = [await yes.boundingBox(), await opener.getByRole("button", { name: "This wasn't me" }).boundingBox()];
    assert.ok(Math.abs(a.width - b.width) < 2 && Math.abs(a.height - b.height) < 2, "the buttons differ in size");
  });

  it("the link's page is in German if the requesting browser is", async () => {
    const address = someone();
    await ask(await here.browser({ locale: "de-DE" }), here.url(), address);
    const page = await open(await here.browser(), await here.linkTo(address));
    assert.equal(await page.locator("html").getAttribute("lang"), "de");
    await picture(page, "link-approve-german");
  });
});

describe("screenshots, on a phone and a desktop, light and dark", () => {
  const approve = service({ LINKGATE_CROSS_DEVICE: "approve" });
  const relay = service({ LINKGATE_CROSS_DEVICE: "relay_code" });
  const same = service({ LINKGATE_CROSS_DEVICE: "same_client" });

  it("the demo, the mailbox and the mail", async () => {
    const browser = await relay.browser();
    const start = await open(browser, relay.url());
    await start.getByLabel("Email address").waitFor();
    await picture(start, "demo-start");
    await start.getByLabel("Email address").fill("ada@localhost");
    await start.keyboard.press("Enter");
    await start.getByRole("alert").waitFor();
    await picture(start, "demo-complaint");

    await picture(await open(browser, `${relay.url()}/dev/mailbox?to=nobody@example.com`), "mailbox-empty");
    const address = someone();
    const page = await ask(browser, relay.url(), address);
    await picture(page, "demo-waiting");
    const mailbox = await open(browser, `${relay.url()}/dev/mailbox`);
    await picture(mailbox, "mailbox");
    await mailbox.getByRole("link", { name: address }).click();
    await mailbox.frameLocator("iframe").getByRole("link").first().waitFor();
    await picture(mailbox, "mail");

    const opener = await open(await relay.browser(), await relay.linkTo(address));
    await picture(opener, "link-relay");
    await opener.getByRole("button", { name: "Show the code" }).click();
    await picture(opener, "link-code");
    const code = await opener.locator("[data-relay-code]").getAttribute("data-relay-code");
    await page.getByLabel("The six digits").waitFor();
    await picture(page, "demo-code");
    await page.getByLabel("The six digits").fill(code === "000000" ? "000001" : "000000");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("alert").waitFor();
    await picture(page, "demo-code-wrong");
    await page.getByLabel("The six digits").fill(code);
    await page.getByRole("button", { name: "Continue" }).click();
    await isSignedIn(page, address);
    await page.getByText("Claims of the session token").click();
    await page.waitForFunction(() => document.getElementById("claims").textContent);
    await picture(page, "demo-signed-in");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are signed out.").waitFor();
    await picture(page, "demo-signed-out");
  });

  it("the link, approved, denied and canceled", async () => {
    const approved = await opened(approve);
    await picture(approved.opener, "link-approve");
    await approved.opener.getByRole("button", { name: "Yes, sign in" }).click();
    await approved.opener.getByText("that is where you are signed in").waitFor();
    await picture(approved.opener, "demo-approved-elsewhere");
    await approved.opener.goto(approved.link);
    await approved.opener.getByRole("heading", { name: "already been used" }).waitFor();
    await picture(approved.opener, "link-used");

    const denied = await opened(approve);
    await denied.opener.getByRole("button", { name: "This wasn't me" }).click();
    await denied.opener.getByText("Thank you for telling us.").waitFor();
    await picture(denied.opener, "demo-denied-by-opener");
    await denied.requester.getByRole("heading", { name: "That was refused" }).waitFor();
    await picture(denied.requester, "demo-denied");

    const [canceled] = [await opened(approve)];
    await canceled.requester.getByRole("button", { name: "Cancel" }).click();
    await canceled.requester.getByRole("heading", { name: "Canceled" }).waitFor();
    await picture(canceled.requester, "demo-canceled");
    await canceled.opener.goto(canceled.link);
    await picture(canceled.opener, "link-canceled");
  });

  it("the final pages of attempts without a redirect URL", async () => {
    for (const [button, name] of [["Yes, sign in", "done-approved"], ["This wasn't me", "done-denied"], ["Sign in on", "done-here"]]) {
      const address = someone();
      const answer = await fetch(`${approve.url()}/v1/attempts`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ email_address: address, purpose: "sign_in" }),
      });
      assert.equal(answer.status, 201);
      const page = await open(await approve.browser(), await approve.linkTo(address));
      await press(page, button);
      await page.getByText("You can close this page.").or(page.getByText("you can close this page."))
        .or(page.getByText("Nobody was signed in")).waitFor();
      await picture(page, name);
    }
  });

  it("the link in the requesting browser without JavaScript, and in one that may not confirm", async () => {
    const address = someone();
    const asking = await same.browser();
    const requester = await ask(asking, same.url(), address);
    const link = await same.linkTo(address);
    const other = await open(await same.browser(), link);
    await other.getByRole("heading", { name: "Open this link where you asked for it" }).waitFor();
    await picture(other, "link-mismatch");
    const still = await same.browser({ javaScriptEnabled: false, storageState: await asking.storageState() });
    await picture(await open(still, link), "link-automatic");
    await open(asking, link);
    await isSignedIn(requester, address);
  });

  it("the error pages and the documentation", async () => {
    const browser = await approve.browser();
    await picture(await open(browser, `${approve.url()}/v/abc`), "link-malformed");
    await picture(await open(browser, `${approve.url()}/problems`), "problems");
    await picture(await open(browser, `${approve.url()}/problems/link_expired`), "problem");
    const docs = await open(browser, `${approve.url()}/docs`);
    for (const details of await docs.locator("details").all()) {
      await details.evaluate((element) => (element.open = true));
      break;
    }
    await picture(docs, "docs");
    // Every link within the page has a target.
    const lost = await docs.evaluate(() =>
      [...document.querySelectorAll('a[href^="#"]')]
        .map((link) => link.getAttribute("href").slice(1))
        .filter((id) => !document.getElementById(id)),
    );
    assert.deepEqual(lost, []);
  });
});
