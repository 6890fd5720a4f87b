/** The package in a real Chromium against the real service: an application in StrictMode under a strict CSP. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FLOWS, ask, begin, classic, compat, ground, proven, react, says, signedIn, signedOut } from "./app.js";
import { open, picture, someone } from "./support.js";

for (const [entry, pages] of [["linkgate/react", react], ["linkgate/compat", compat]]) {
  describe(`${entry} in one browser`, { concurrency: 4 }, () => {
    const the = ground({}, pages);
    for (const flow of FLOWS) {
      it(`${flow}: the link is opened in another tab`, async () => {
        const { browser, page, address, owner, link } = await begin(the, flow);
        const opened = await open(browser, link);
        await says(opened, "The link was verified");
        assert.equal(opened.url(), `${the.world.app}/verify`, "no parameter stays in the address bar");
        await says(page, "Verified in this browser");
        await signedIn(opened, owner);
        await signedIn(page, owner);
        if (flow === "profile") await proven(page, the.world, address);
        assert.equal((await the.world.mails(address)).length, 1, "one mail");
      });

      it(`${flow}: the link is opened in the same tab`, async () => {
        const { page, owner, link } = await begin(the, flow);
        await page.goto(link);
        await says(page, "The link was verified");
        await signedIn(page, owner);
      });
    }
  });
}

describe("two browsers", { concurrency: 4 }, () => {
  const relayed = ground({ LINKGATE_CROSS_DEVICE: "relay_code" }, react);
  const approved = ground({ LINKGATE_CROSS_DEVICE: "approve" }, react);

  for (const flow of FLOWS) {
    it(`${flow}: the relay code is entered in the client's dialog`, async () => {
      const { page, address, owner, link } = await begin(relayed, flow);
      const opener = await open(await relayed.people.browser(), link);
      await opener.getByRole("button", { name: "Show the code" }).click();
      const code = await opener.locator("[data-relay-code]").getAttribute("data-relay-code");

      const dialog = page.getByRole("dialog", { name: "Enter the code" });
      await dialog.waitFor();
      const field = dialog.getByLabel("The six digits");
      assert.equal(await field.evaluate((input) => input.getRootNode().activeElement === input), true, "the field has the focus");
      if (flow === "sign-up") await picture(page, "relay-code");
      await field.fill(String((Number(code) + 1) % 1e6).padStart(6, "0"));
      await dialog.getByRole("button", { name: "Continue" }).click();
      await dialog.getByRole("alert").filter({ hasText: "Tries left: 4." }).waitFor();
      if (flow === "sign-up") await picture(page, "relay-code-wrong");
      await field.fill(`${code.slice(0, 3)} ${code.slice(3)}`);
      await page.keyboard.press("Enter");
      await says(page, "Verified in another browser");
      await signedIn(page, owner);
      assert.equal(await page.locator("linkgate-relay-code").count(), 0, "the dialog is gone");
      if (flow === "profile") await proven(page, relayed.world, address);
    });

    it(`${flow}: the other browser approves`, async () => {
      const { page, owner, link } = await begin(approved, flow);
      const opener = await open(await approved.people.browser(), link);
      await opener.getByRole("button", { name: /^Yes/ }).click();
      await says(page, "Verified in another browser");
      await signedIn(page, owner);
      await says(opener, "Go on in the other browser");
      await signedOut(opener);
    });
  }

  it("closes the dialog on Escape, and shows it again after another start", async () => {
    const { page, owner, link } = await begin(relayed, "sign-in");
    const opener = await open(await relayed.people.browser(), link);
    await opener.getByRole("button", { name: "Show the code" }).click();
    const code = await opener.locator("[data-relay-code]").getAttribute("data-relay-code");
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Send me a link" }).click();
    await dialog.getByLabel("The six digits").fill(code);
    await page.keyboard.press("Enter");
    await signedIn(page, owner);
  });

  it("ends as denied in both browsers", async () => {
    const { page, link } = await begin(approved, "sign-up");
    const opener = await open(await approved.people.browser(), link);
    await opener.getByRole("button", { name: "This wasn't me" }).click();
    await says(page, "Not verified: denied");
    await says(opener, "This link did not work");
  });

  it("signs in on the other device instead", async () => {
    const { page, owner, link } = await begin(approved, "sign-in");
    const opener = await open(await approved.people.browser(), link);
    await opener.getByRole("checkbox").check();
    await opener.getByRole("button", { name: "Sign in on this device instead" }).click();
    await says(opener, "The link was verified");
    await signedIn(opener, owner);
    await says(page, "Not verified: signed_in_elsewhere");
    await signedOut(page);
  });
});

describe("one person, two tabs", { concurrency: 2 }, () => {
  const the = ground({}, react);

  it("sees sign-in and sign-out in both, and in a third that only watches", async () => {
    const { browser, page, owner, link } = await begin(the, "sign-in");
    const onlooker = await open(browser, the.world.app);
    await signedOut(onlooker);
    const opened = await open(browser, link);
    for (const tab of [page, onlooker, opened]) await signedIn(tab, owner);
    await onlooker.locator("summary").click();
    await picture(onlooker, "user-button");
    await onlooker.getByRole("button", { name: "Sign out" }).click();
    for (const tab of [page, onlooker, opened]) await signedOut(tab);
    await page.reload();
    await signedOut(page);
  });

  for (const flow of FLOWS) {
    it(`${flow}: is cancelled and started again, with one mail`, async () => {
      const { browser, page, address, owner, link } = await begin(the, flow);
      await page.getByRole("button", { name: "Cancel" }).click();
      await says(page, "Canceled");
      await page.getByRole("button", { name: "Send me a link" }).click();
      await says(page, "Check your mail");
      assert.equal((await the.world.mails(address)).length, 1);
      await open(browser, link);
      await says(page, "Verified in this browser");
      await signedIn(page, owner);
    });
  }

  it("continues to wait for the same attempt after a reload", async () => {
    const { browser, page, address, owner, link } = await begin(the, "sign-up");
    await page.reload();
    await ask(page, address);
    assert.equal((await the.world.mails(address)).length, 1);
    await open(browser, link);
    await says(page, "Verified in this browser");
    await signedIn(page, owner);
  });
});

describe("a page with nothing but /compat.js", { concurrency: 3 }, () => {
  const the = ground({}, classic);
  for (const flow of ["up", "in", "add"]) {
    it(`${flow}: works in two tabs`, async () => {
      const { world } = the;
      const browser = await the.people.browser();
      const page = await open(browser, `${world.app}/compat`);
      const run = async (button) => {
        const address = someone();
        await page.locator("[data-ready]").waitFor();
        await page.locator("#email").fill(address);
        await page.locator(`#${button}`).click();
        const opened = await open(browser, await world.linkTo(address));
        await page.getByText("verified, this browser").waitFor();
        await opened.getByText("verified here").waitFor();
        return { address, opened };
      };
      const { address, opened } = await run(flow === "add" ? "in" : flow);
      await signedIn(page, address);
      if (flow === "add") {
        const { address } = await run("add");
        await proven(page, world, address);
      }
      await page.locator("#out").click();
      for (const tab of [page, opened]) await signedOut(tab);
    });
  }
});
