/** Two browsers: one requests the link, the other opens it. The cross-device policy decides how it may confirm. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ask, isSignedIn, isSignedOut, linkTo, open, people, press, someone, startChromium, startLinkgate } from "./support.js";

let chromium;
before(async () => {
  chromium = await startChromium();
});
after(() => chromium?.close());

/** Starts linkgate with this policy. Returns a function that requests a link in one browser and opens it in another. */
function twoBrowsers(policy) {
  let linkgate, world;
  before(async () => {
    linkgate = await startLinkgate({ LINKGATE_CROSS_DEVICE: policy });
    world = people(chromium, linkgate.url);
  });
  after(async () => {
    try {
      await world?.close();
    } finally {
      await linkgate?.stop();
    }
  });
  return async (options) => {
    const address = someone();
    const first = await world.browser();
    const second = await world.browser(options);
    const requester = await ask(first, linkgate.url, address);
    const link = await linkTo(linkgate, address);
    return { address, first, second, requester, link, opener: await open(second, link) };
  };
}

/** Performs `click`, and returns the milliseconds until `selector` is visible in `page`, by that page's clock. */
async function from(click, page, selector) {
  const seen = page.evaluate(
    (selector) =>
      new Promise((seen) => {
        const look = () => document.querySelector(selector)?.checkVisibility() && seen(Date.now());
        new MutationObserver(look).observe(document.body, { attributes: true, childList: true, subtree: true });
        look();
      }),
    selector,
  );
  const before = Date.now();
  await click();
  return (await seen) - before;
}

async function showCode(opener) {
  await opener.getByRole("button", { name: "Show the code" }).click();
  return opener.locator("[data-relay-code]").getAttribute("data-relay-code");
}

async function enter(requester, code) {
  await requester.getByLabel("The six digits").fill(code);
  await requester.getByRole("button", { name: "Continue" }).click();
}

const wrong = (code) => String((Number(code) + 1) % 1_000_000).padStart(6, "0");

describe("two browsers, with the relay code", () => {
  const bothOpen = twoBrowsers("relay_code");

  it("signs in where the code is entered; each page follows within a second", async (t) => {
    const { address, requester, opener, second, link } = await bothOpen();
    await opener.getByText("Never read it out").waitFor();
    const wanted = await from(
      () => opener.getByRole("button", { name: "Show the code" }).click(),
      requester,
      "#relay-code",
    );
    t.diagnostic(`asked for the code ${wanted} ms after the click`);
    assert.ok(wanted < 1000, `asked for the code after ${wanted} ms`);
    assert.equal(await requester.evaluate(() => document.activeElement.id), "relay-code");

    const code = await opener.locator("[data-relay-code]").getAttribute("data-relay-code");
    assert.match(code, /^\d{6}$/);
    const signedIn = await from(() => enter(requester, `${code.slice(0, 3)} ${code.slice(3)}`), requester, "#signed-in");
    t.diagnostic(`signed in ${signedIn} ms after the code was sent`);
    await isSignedIn(requester, address);

    // The opener stays signed out, and the link no longer works.
    assert.equal((await second.cookies()).some(({ name }) => name.includes("session")), false);
    await opener.goto(link);
    await opener.getByRole("heading", { name: "This link has already been used" }).waitFor();
  });

  it("shows how many attempts remain, and accepts the correct code after a wrong one", async () => {
    const { address, requester, opener } = await bothOpen();
    const code = await showCode(opener);
    await enter(requester, wrong(code));
    await requester.getByRole("alert").filter({ hasText: "That is not the code. 4 tries left." }).waitFor();
    await enter(requester, code);
    await isSignedIn(requester, address);
  });

  it("ends after five wrong codes", async () => {
    const { requester, opener } = await bothOpen();
    const code = await showCode(opener);
    for (const left of ["4 tries", "3 tries", "2 tries", "One try"]) {
      await enter(requester, wrong(code));
      await requester.getByRole("alert").filter({ hasText: `${left} left.` }).waitFor();
    }
    await enter(requester, wrong(code));
    await requester.getByRole("heading", { name: "Too many wrong codes" }).waitFor();
  });

  it("shows the same code when the page is reloaded or the link opened again", async () => {
    const { opener, link } = await bothOpen();
    const code = await showCode(opener);
    await opener.reload();
    assert.equal(await opener.locator("[data-relay-code]").getAttribute("data-relay-code"), code);
    await opener.goto(link);
    assert.equal(await showCode(opener), code);
  });

  it("can be denied after the code was shown", async () => {
    const { requester, opener } = await bothOpen();
    await showCode(opener);
    await press(opener, "This wasn't me");
    await requester.getByRole("heading", { name: "That was refused" }).waitFor();
  });

  it("can be canceled while it waits for the code", async () => {
    const { requester, opener } = await bothOpen();
    await showCode(opener);
    await requester.getByRole("button", { name: "Cancel" }).click();
    await requester.getByRole("heading", { name: "Canceled" }).waitFor();
  });

  it("signs in on the other device instead", async () => {
    const { address, requester, opener } = await bothOpen();
    await press(opener, "Sign in on this device instead");
    await isSignedIn(opener, address);
    await requester.getByRole("heading", { name: "Signed in on the other device" }).waitFor();
  });
});

describe("two browsers, with approval", () => {
  const bothOpen = twoBrowsers("approve");

  it("shows the details, and signs in the requesting browser within a second", async (t) => {
    const { address, requester, opener } = await bothOpen();
    const facts = await opener.locator("dl.facts").innerText();
    for (const fact of ["linkgate demo", address, "Sign in", "UTC", "Chrome"]) assert.ok(facts.includes(fact), facts);
    const told = await from(() => opener.getByRole("button", { name: "Yes, sign in" }).click(), requester, "#signed-in");
    t.diagnostic(`signed in ${told} ms after the click`);
    assert.ok(told < 1000, `signed in after ${told} ms`);
    await isSignedIn(requester, address);
    await isSignedOut(opener);
    await opener.getByText("that is where you are signed in").waitFor();
  });

  it("can be denied; both pages show it", async () => {
    const { requester, opener, address } = await bothOpen();
    await press(opener, "This wasn't me");
    await requester.getByRole("heading", { name: "That was refused" }).waitFor();
    await opener.getByText("Thank you for telling us.").waitFor();
    await isSignedOut(opener);

    // A denial blocks mails to this address for a quarter of an hour.
    await requester.getByRole("button", { name: "Start again" }).click();
    await requester.getByLabel("Email address").fill(address);
    await requester.getByRole("button", { name: "Send me a link" }).click();
    await requester.getByRole("alert").filter({ hasText: /Too many requests. Try again in 1[45]:/ }).waitFor();
  });

  it("signs in on the other device instead", async () => {
    const { address, requester, opener } = await bothOpen();
    await press(opener, "Sign in on this device instead");
    await isSignedIn(opener, address);
    await requester.getByRole("heading", { name: "Signed in on the other device" }).waitFor();
    await requester.getByRole("button", { name: "Start again" }).click();
    await isSignedOut(requester);
  });
});

describe("two browsers, with the default policy", () => {
  const bothOpen = twoBrowsers("adaptive");

  it("approves on the same network", async () => {
    const { address, requester, opener } = await bothOpen();
    await opener.getByRole("button", { name: "Yes, sign in" }).click();
    await isSignedIn(requester, address);
  });
});

describe("two browsers, with links for one browser only", () => {
  const bothOpen = twoBrowsers("same_client");

  it("shows where to open the link, which still works there", async () => {
    const { address, requester, opener, first, link } = await bothOpen();
    await opener.getByRole("heading", { name: "Open this link where you asked for it" }).waitFor();
    await open(first, link);
    await isSignedIn(requester, address);
  });
});

describe("without JavaScript", () => {
  const still = { javaScriptEnabled: false };
  const withApproval = twoBrowsers("approve");
  const withCode = twoBrowsers("relay_code");

  it("signs in with a button in the browser that requested the link", async () => {
    const { address, requester, first, link } = await withApproval();
    const jar = await first.storageState();
    const { second, opener } = await withApproval({ ...still, storageState: jar });
    await opener.close();
    const page = await open(second, link);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.waitForURL(/__linkgate_status=verified/);
    await isSignedIn(requester, address);
  });

  it("shows the relay code", async () => {
    const { address, requester, opener } = await withCode(still);
    await enter(requester, await showCode(opener));
    await isSignedIn(requester, address);
  });

  it("denies", async () => {
    const { requester, opener } = await withApproval(still);
    await press(opener, "This wasn't me");
    await opener.waitForURL(/__linkgate_status=denied/);
    await requester.getByRole("heading", { name: "That was refused" }).waitFor();
  });
});
