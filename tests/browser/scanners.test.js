/**
 * Mail scanners with a real browser: one runs the page's script, one presses every button, and neither has the cookie
 * of the client that requested the link. Afterwards the person's own click still works, and nobody else is signed in.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ask, isSignedIn, linkTo, open, people, press, someone, startChromium, startLinkgate } from "./support.js";

let chromium;
before(async () => {
  chromium = await startChromium();
});
after(() => chromium?.close());

const HOME = { extraHTTPHeaders: { "X-Forwarded-For": "203.0.113.7" } };
const SAME_NETWORK = { extraHTTPHeaders: { "X-Forwarded-For": "203.0.113.99" } };
const ELSEWHERE = { extraHTTPHeaders: { "X-Forwarded-For": "198.51.100.9" } };

/** Starts linkgate with this policy, behind a trusted proxy, so that browsers can choose their network. */
function service(policy) {
  let linkgate, world;
  before(async () => {
    linkgate = await startLinkgate({ LINKGATE_CROSS_DEVICE: policy, LINKGATE_TRUSTED_PROXIES: "127.0.0.1" });
    world = people(chromium, linkgate.url);
  });
  after(async () => {
    try {
      await world?.close();
    } finally {
      await linkgate?.stop();
    }
  });
  /** Requests a link; returns it with the browsers of the person and of a scanner in `network`. */
  return async (network) => {
    const address = someone();
    const person = await world.browser(HOME);
    const requester = await ask(person, linkgate.url, address);
    return { address, person, requester, link: await linkTo(linkgate, address), scanner: await world.browser(network) };
  };
}

/** Opens the link, lets the page's script run, and closes the page. */
async function watch(scanner, link) {
  const page = await scanner.newPage();
  await page.goto(link, { waitUntil: "networkidle" });
  await page.bringToFront();
  await page.waitForTimeout(300);
  assert.equal(page.url(), link, "the page continued automatically");
  await page.close();
}

/** Presses each button of the link's page, freshly loaded each time, and each button of the page that follows. */
async function pressEverything(scanner, link) {
  const pressed = [];
  const go = async (path) => {
    const page = await scanner.newPage();
    await page.goto(link);
    for (const at of path) await pressNth(page, at);
    const names = await page.locator("button, summary, input[type=submit]").allTextContents();
    const after = [];
    if (path.length) pressed.push([...path, page.url()].join(" "));
    for (let at = 0; path.length < 2 && at < names.length; at++) after.push([...path, at]);
    await page.close();
    for (const next of after) await go(next);
  };
  await go([]);
  return pressed;
}

async function pressNth(page, at) {
  const button = page.locator("button, summary, input[type=submit]").nth(at);
  if (!(await button.count())) return;
  // Wait for the next page only if the form is valid: without its tick, a press sends nothing.
  const sends = await button.evaluate((button) => button.form?.checkValidity() ?? false);
  const left = sends ? page.waitForEvent("domcontentloaded") : Promise.resolve();
  await button.click({ force: true });
  await left;
}

const isNobody = async (scanner) =>
  assert.equal((await scanner.cookies()).some(({ name }) => name.includes("session")), false, "the scanner is signed in");

/** The person opens the link in the browser that requested it. */
async function ownClickWorks({ person, requester, link, address }) {
  await open(person, link);
  await isSignedIn(requester, address);
}

for (const policy of ["adaptive", "approve", "relay_code", "same_client"]) {
  describe(`a scanner that runs the page's script, under ${policy}`, () => {
    const asked = service(policy);
    for (const [where, network] of [["in the same network", SAME_NETWORK], ["elsewhere", ELSEWHERE]]) {
      it(`changes nothing ${where}`, async () => {
        const mail = await asked(network);
        await watch(mail.scanner, mail.link);
        await isNobody(mail.scanner);
        await mail.requester.getByRole("heading", { name: "Check your mail" }).waitFor();
        await ownClickWorks(mail);
      });
    }
  });
}

for (const [policy, networks] of [
  ["adaptive", [["elsewhere", ELSEWHERE]]],
  ["relay_code", [["in the same network", SAME_NETWORK], ["elsewhere", ELSEWHERE]]],
  ["same_client", [["elsewhere", ELSEWHERE]]],
]) {
  describe(`a scanner that presses every button, under ${policy}`, () => {
    const asked = service(policy);
    for (const [where, network] of networks) {
      it(`spoils nothing ${where}`, async (t) => {
        const mail = await asked(network);
        const pressed = await pressEverything(mail.scanner, mail.link);
        t.diagnostic(`${pressed.length} presses`);
        assert.ok(policy === "same_client" ? pressed.length === 0 : pressed.length > 5, pressed.join("\n"));
        await isNobody(mail.scanner);
        await ownClickWorks(mail);
      });
    }
  });
}

describe("a scanner that presses every button, under approve", () => {
  const asked = service("approve");

  it("gets no session, but decides for the requesting browser: a known weakness of this policy", async () => {
    const mail = await asked(ELSEWHERE);
    await pressEverything(mail.scanner, mail.link);
    await isNobody(mail.scanner);
    await isSignedIn(mail.requester, mail.address);
  });

  it("would be signed in if it ticked the box as people do", async () => {
    const mail = await asked(ELSEWHERE);
    const page = await open(mail.scanner, mail.link);
    await press(page, "Sign in on this device instead");
    await isSignedIn(page, mail.address);
  });
});

describe("the page's script, in the browser that requested the link", () => {
  const asked = service("adaptive");

  it("does nothing on a hidden page", async () => {
    const mail = await asked(ELSEWHERE);
    const page = await mail.person.newPage();
    await page.addInitScript(() => {
      Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
    });
    await page.goto(mail.link, { waitUntil: "networkidle" });
    await page.waitForTimeout(300);
    await mail.requester.getByRole("heading", { name: "Check your mail" }).waitFor();
    await page.close();
    await ownClickWorks(mail);
  });
});
