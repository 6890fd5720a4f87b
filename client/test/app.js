/** The test application of browser.test.js and slow.test.js, and the steps that people take in it. */
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { CLIENT, bundle, open, people, scratch, someone, startChromium, startWorld } from "./support.js";

export let chromium, assets;
before(async () => {
  assets = scratch();
  for (const auth of ["react", "compat"]) {
    const alias = { auth: join(CLIENT, `test/pages/auth.${auth}.jsx`) };
    await bundle(join(CLIENT, "test/pages/app.jsx"), join(assets, auth), { alias });
  }
  copyFileSync(join(CLIENT, "test/pages/compat.js"), join(assets, "compat-page.js"));
  chromium = await startChromium();
});
after(() => chromium?.close());

export const react = { page: () => '<div id="app"></div><script type="module" src="/assets/react/app.js"></script>' };
export const compat = { page: () => '<div id="app"></div><script type="module" src="/assets/compat/app.js"></script>' };
export const classic = {
  page: (_, url) => `<label>Email <input id="email"></label>
    <button id="up">Sign up</button><button id="in">Sign in</button><button id="add">Add</button><button id="out">Sign out</button>
    <p id="who"></p><p id="state"></p><output id="proof"></output>
    <script src="${url}/compat.js"></script><script src="/assets/compat-page.js"></script>`,
};

/** A service with these settings, and browsers to use it with, for one describe. */
export function ground(settings, pages, options) {
  const it = {};
  before(async () => {
    it.world = await startWorld(settings, { files: assets, ...pages });
    it.people = people(chromium, it.world, options);
  });
  after(async () => {
    try {
      await it.people?.close();
    } finally {
      await it.world?.stop();
    }
  });
  return it;
}

export const signedIn = (page, address) => page.getByText(`Signed in as ${address}`).waitFor();
export const signedOut = (page) => page.getByText("Nobody is signed in").waitFor();
export const says = (page, text) => page.getByText(text).waitFor();

export async function ask(page, address) {
  await page.getByLabel("Email address").fill(address);
  await page.getByRole("button", { name: "Send me a link" }).click();
  await says(page, "Check your mail");
}

/** Signs a person in, in a new browser. */
async function member({ world, people }) {
  const address = someone("Owner");
  const browser = await people.browser();
  const page = await open(browser, `${world.app}/sign-in`);
  await ask(page, address);
  const link = await open(browser, await world.linkTo(address));
  await signedIn(page, address);
  await link.close();
  await page.close();
  return { browser, address };
}

export const FLOWS = ["sign-up", "sign-in", "profile"];

/** Begins one of the flows. `owner` is the address that is signed in after success. */
export async function begin(the, flow) {
  const { world } = the;
  const address = someone();
  const { browser, address: owner } = flow === "profile" ? await member(the) : { browser: await the.people.browser(), address };
  const page = await open(browser, `${world.app}/${flow}`);
  await ask(page, address);
  const link = await world.linkTo(address);
  return { browser, page, address, owner, link };
}

export async function proven(page, { url }, address) {
  const jwks = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
  await page.locator("#proof:not(:empty)").waitFor();
  const { payload } = await jwtVerify(await page.locator("#proof").textContent(), jwks, { typ: "email-proof+jwt", issuer: url });
  assert.equal(payload.email, address.toLowerCase());
}
