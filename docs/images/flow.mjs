/**
 * Takes `flow.png`, the picture in the README: the tab that waits, beside the link opened on a phone.
 *
 *     npm ci --prefix tests/browser && cargo build && node docs/images/flow.mjs
 */
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ask, linkTo, open, startChromium, startLinkgate } from "../../tests/browser/support.js";

const HERE = dirname(fileURLToPath(import.meta.url));
const ADDRESS = "ada@example.com";
const DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

const parts = ["waiting", "link"].map((name) => join(HERE, `${name}.png`));
const linkgate = await startLinkgate({ LINKGATE_APP_NAME: "Example" });
const chromium = await startChromium();
try {
  const desk = await chromium.newContext({ viewport: { width: 640, height: 490 }, deviceScaleFactor: 2, userAgent: DESK });
  const phone = await chromium.newContext({ viewport: { width: 400, height: 848 }, deviceScaleFactor: 2, userAgent: PHONE });
  const waiting = await ask(desk, linkgate.url, ADDRESS);
  await waiting.screenshot({ path: parts[0], animations: "disabled" });
  const link = await open(phone, await linkTo(linkgate, ADDRESS));
  await link.screenshot({ path: parts[1], animations: "disabled" });

  const [left, right] = parts.map((path) => `data:image/png;base64,${readFileSync(path).toString("base64")}`);
  const page = await (await chromium.newContext({ viewport: { width: 960, height: 580 } })).newPage();
  await page.setContent(`<style>
    body { margin: 0; padding: 16px; display: flex; gap: 24px; background: #fff; font: 15px sans-serif; color: #333 }
    figure { margin: 0 } figcaption { margin-top: 8px; text-align: center }
    img { display: block; border: 1px solid #bbb; border-radius: 12px }
  </style>
  <figure><img src="${left}" width="672"><figcaption>The tab where the sign-in began waits …</figcaption></figure>
  <figure><img src="${right}" width="230"><figcaption>… the link opens elsewhere</figcaption></figure>`);
  await page.screenshot({ path: join(HERE, "flow.png") });
} finally {
  await chromium.close();
  await linkgate.stop();
  for (const path of parts) rmSync(path, { force: true });
}
