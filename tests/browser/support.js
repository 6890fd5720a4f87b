/**
 * Helpers of the browser tests: their own `linkgate dev`, a real Chromium, and a watch for console errors,
 * exceptions and requests to other hosts.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target");
const BINARY = resolve(ROOT, process.env.LINKGATE_BIN ?? join(TARGET, "debug/linkgate"));
/** Always in the work tree, even if `CARGO_TARGET_DIR` is elsewhere. */
export const SCREENSHOTS = join(ROOT, "target/screenshots");

const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

function freePort() {
  return new Promise((found, failed) => {
    const server = createServer();
    server.on("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
}

/**
 * Starts `linkgate dev`; resolves once it has served the demo.
 * @param {Record<string, string>} [settings]
 */
export async function startLinkgate(settings = {}) {
  assert.ok(existsSync(BINARY), `no linkgate at ${BINARY}: build it, or set LINKGATE_BIN`);
  const port = await freePort();
  let ops = port;
  // The system may hand out the port that was just closed again.
  while (ops === port) ops = await freePort();
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("LINKGATE_"));
  const child = spawn(BINARY, ["dev"], {
    env: {
      ...Object.fromEntries(inherited),
      LINKGATE_LISTEN_ADDR: `127.0.0.1:${port}`,
      LINKGATE_OPS_ADDR: `127.0.0.1:${ops}`,
      ...settings,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + 10_000; ; await sleep(20)) {
    assert.equal(child.exitCode, null, `linkgate has exited:\n${log}`);
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) break;
    assert.ok(Date.now() < deadline, `linkgate does not respond:\n${log}`);
  }
  return {
    url,
    log: () => log,
    /** The mails to this address, newest first. */
    async mails(to) {
      const answer = await fetch(`${url}/dev/mailbox?to=${encodeURIComponent(to)}`, { headers: { Accept: "application/json" } });
      return answer.json();
    },
    stop() {
      const ended = new Promise((end) => (child.exitCode === null ? child.once("exit", end) : end()));
      child.kill("SIGTERM");
      return ended;
    },
  };
}

export function startChromium() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Browsers of different people, each with its own cookie jar. All forbidden behaviour of pages goes into `complaints`.
 * @param {import("playwright-core").Browser} chromium
 * @param {string} url of linkgate
 */
export function people(chromium, url) {
  const contexts = [];
  /** @type {string[]} */
  const complaints = [];
  return {
    complaints,
    /** @param {import("playwright-core").BrowserContextOptions} [options] */
    async browser(options = {}) {
      const context = await chromium.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 }, ...options });
      contexts.push(context);
      context.setDefaultTimeout(10_000);
      listen(context, url, complaints);
      return context;
    },
    /** Closes all browsers; fails if there are complaints. */
    async close() {
      for (const context of contexts.splice(0)) await context.close();
      assert.deepEqual(complaints.splice(0), [], "forbidden behaviour of pages");
    },
  };
}

/** Records console errors (including CSP violations), exceptions, and requests to other hosts. */
function listen(context, url, complaints) {
  context.on("console", (message) => {
    const at = message.location().url;
    // Chromium reports every 4xx as an error. The pages expect some: not signed in, wrong code, used link.
    const expected = /^Failed to load resource: the server responded with a status of 4(01|09|10|22|29|00)/;
    if (expected.test(message.text()) && /\/v1?\//.test(at)) return;
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()} (${at})`);
  });
  context.on("weberror", (error) => complaints.push(`exception: ${error.error()}`));
  context.on("request", (request) => {
    const to = new URL(request.url());
    if (to.origin !== url && !["data:", "blob:", "about:"].includes(to.protocol)) complaints.push(`request: ${to}`);
  });
}

let addresses = 0;
/** A unique address, so that tests do not share rate limits. */
export const someone = (name = "ada") => `${name}.${process.pid}.${++addresses}@example.com`;

/** Opens the demo and starts an attempt in it. Resolves to the waiting page. */
export async function ask(context, url, address) {
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel("Email address").fill(address);
  await page.getByRole("button", { name: "Send me a link" }).click();
  await page.getByRole("heading", { name: "Check your mail" }).waitFor();
  return page;
}

/** The link in the newest mail to this address. */
export async function linkTo(linkgate, address) {
  const [mail] = await linkgate.mails(address);
  assert.ok(mail?.link, `no mail to ${address}`);
  return mail.link;
}

/** Opens a link in a new page. */
export async function open(context, link) {
  const page = await context.newPage();
  await page.goto(link);
  return page;
}

/** Presses a button as a person does: ticks the checkbox first if its form requires one. */
export async function press(page, name) {
  const button = page.getByRole("button", { name });
  const tick = page.locator("form", { has: button }).getByRole("checkbox");
  if (await tick.count()) await tick.check();
  await button.click();
}

/** Checks that the page shows this address as signed in. */
export async function isSignedIn(page, address) {
  await page.getByRole("heading", { name: "You are signed in" }).waitFor();
  assert.equal(await page.locator("#user-email").textContent(), address);
}

/** Checks that the page shows its start form: nobody is signed in. */
export async function isSignedOut(page) {
  await page.getByRole("button", { name: "Send me a link" }).waitFor();
}

/** Presses Tab until `locator` has the focus, and checks that the focus is visible at each stop. */
export async function tabTo(page, locator, most = 12) {
  for (let stop = 0; stop < most; stop++) {
    await page.keyboard.press("Tab");
    const visible = await page.evaluate(() => {
      // The label of a radio button carries the outline.
      const outlined = (element) => {
        const style = element && getComputedStyle(element);
        return style && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      };
      const focused = document.activeElement;
      return outlined(focused) || outlined(focused.closest("label")) || `${focused.tagName} ${focused.textContent}`;
    });
    assert.equal(visible, true, "the focus is not visible");
    if (await locator.evaluate((element) => element === document.activeElement)) return;
  }
  assert.fail(`Tab does not lead to ${locator}`);
}

/** Checks the basics of accessibility: language, title, one h1, one main, headings in order, names for all controls. */
export async function isWellFormed(page) {
  const faults = await page.evaluate(() => {
    const faults = [];
    const seen = (element) => element.checkVisibility();
    if (!document.documentElement.lang) faults.push("no language");
    if (!document.title.trim()) faults.push("no title");
    if ([...document.querySelectorAll("h1")].filter(seen).length !== 1) faults.push("not one h1");
    if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
    let level = 0;
    for (const heading of [...document.querySelectorAll("h1, h2, h3, h4")].filter(seen)) {
      const next = Number(heading.tagName[1]);
      if (next > level + 1) faults.push(`${heading.tagName} after H${level}: ${heading.textContent}`);
      level = next;
    }
    for (const input of document.querySelectorAll("input:not([type=hidden])")) {
      if (!input.labels.length) faults.push(`no label: ${input.name}`);
    }
    for (const control of document.querySelectorAll("button, a[href]")) {
      if (!control.textContent.trim() && !control.ariaLabel) faults.push(`no name: ${control.outerHTML}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) faults.push(`duplicate id: #${id}`);
    for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
      for (const name of ["aria-labelledby", "aria-describedby"]) {
        for (const id of (element.getAttribute(name) ?? "").split(" ").filter(Boolean)) {
          if (!document.getElementById(id)) faults.push(`${name} has no target: ${id}`);
        }
      }
    }
    const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (over > 0) faults.push(`${over}px too wide`);
    return faults;
  });
  assert.deepEqual(faults, [], `${page.url()}: ${await page.title()}`);
}

/** The tallest page that is drawn whole, in pixels: Chromium's largest texture. Beyond it, one picture takes seconds. */
const TALLEST = 16_384;

/**
 * Takes screenshots of a page on a phone and a desktop, light and dark, and checks that it is well-formed. Of a page that is
 * too tall, such as the API's with 67,000 pixels on a phone, the picture shows the first screen.
 */
export async function picture(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const before = page.viewportSize();
  for (const [width, height] of [[390, 844], [1280, 800]]) {
    await page.setViewportSize({ width, height });
    await isWellFormed(page);
    const fullPage = (await page.evaluate(() => document.documentElement.scrollHeight)) <= TALLEST;
    for (const colorScheme of ["light", "dark"]) {
      // Chromium does not draw a frame before it has been visible.
      for (const frame of await page.locator("iframe").all()) await frame.screenshot();
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const path = join(SCREENSHOTS, `${name}-${width}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage, caret: "initial" });
    }
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  if (before) await page.setViewportSize(before);
}
