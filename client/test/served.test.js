/** The scripts as the real service serves them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { CLIENT, startWorld } from "./support.js";

/** The response as it is on the wire: `fetch` would decompress it. */
function download(url) {
  return new Promise((done, failed) => {
    get(url, { headers: { "Accept-Encoding": "gzip" } }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      done({ headers: response.headers, body: Buffer.concat(chunks) });
    }).on("error", failed);
  });
}

describe("the service", () => {
  let world;
  before(async () => {
    world = await startWorld({}, { page: () => "" });
  });
  after(() => world?.stop());

  // package.test.js limits the sizes. The service uses the fastest compression, so browsers download a little more.
  for (const name of ["client", "compat", "relay-code"]) {
    it(`serves /${name}.js compressed, and as it is committed`, async (t) => {
      const { headers, body } = await download(`${world.url}/${name}.js`);
      assert.equal(headers["content-encoding"], "gzip");
      assert.match(headers["content-type"], /^text\/javascript/);
      t.diagnostic(`/${name}.js: ${body.length} bytes`);
      assert.ok(gunzipSync(body).equals(readFileSync(join(CLIENT, `dist/${name}.js`))), "another script than dist's");
    });
  }
});
