/** Every example of the README, run unchanged except for the service's address. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  ROOT, bundle, examples, freePort, open, people, project, run, someone, startChromium, startProgram, startWorld,
} from "./support.js";

const EXAMPLES = examples();
const DEV = "http://127.0.0.1:8080";
const API_KEY = "a-key-for-trying-out";
let chromium, dir;
before(async () => {
  dir = project().path;
  chromium = await startChromium();
});
after(() => chromium?.close());

function write(name, text) {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), text);
}

/** An application with these pages, and browsers to use it with. */
async function application(t, page, prepare) {
  const world = await startWorld({ LINKGATE_API_KEYS: API_KEY }, { files: join(dir, "out"), page });
  await prepare?.(world);
  const all = people(chromium, world);
  t.after(async () => {
    try {
      await all.close();
    } finally {
      await world.stop();
    }
  });
  return { world, browser: await all.browser(), all };
}

async function ask(page, name) {
  const address = someone();
  await page.getByLabel(/address/).fill(address);
  await page.getByRole("button", { name }).click();
  return address;
}

describe("examples in the browser", () => {
  it("a page of plain HTML", async (t) => {
    const { world, browser, all } = await application(t, (_, url) => EXAMPLES["index.html"].replaceAll(DEV, url));
    const page = await open(browser, world.app);
    const address = await ask(page, "Send me a link");
    await page.getByText(`A link is on its way to ${address}`).waitFor();
    const opened = await open(browser, await world.linkTo(address));
    for (const tab of [page, opened]) await tab.getByText(`Signed in as ${address}`).waitFor();
    assert.equal(new URL(opened.url()).search, "");
    await opened.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Send me a link" }).waitFor();

    const other = await open(await all.browser(), `${world.app}/?__linkgate_status=expired`);
    await other.getByText("The link: expired").waitFor();
  });

  it("React, with one more address", async (t) => {
    const { world, browser } = await application(
      t,
      () => '<div id="app"></div><script type="module" src="/assets/main.js"></script>',
      async ({ url }) => {
        write("react/App.jsx", EXAMPLES["App.jsx"].replaceAll(DEV, url));
        write("react/AddAddress.jsx", EXAMPLES["AddAddress.jsx"]);
        write("react/main.jsx", `
          import { StrictMode } from "react";
          import { createRoot } from "react-dom/client";
          import { LinkgateProvider } from "linkgate/react";
          import App from "./App.jsx";
          import { AddAddress } from "./AddAddress.jsx";
          const proven = (proof) => (document.title = proof.split(".").length + " parts");
          const profile = <LinkgateProvider url="${url}"><AddAddress onProof={proven} /></LinkgateProvider>;
          createRoot(document.getElementById("app")).render(<StrictMode>{location.pathname === "/profile" ? profile : <App />}</StrictMode>);`);
        await bundle(join(dir, "react/main.jsx"), join(dir, "out"));
      },
    );
    for (const [path, name] of [["/sign-up", "Sign up"], ["/", "Sign in"]]) {
      const page = await open(browser, world.app + path);
      const address = await ask(page, name);
      await page.getByText("Check your mail").waitFor();
      const opened = await open(browser, await world.linkTo(address));
      for (const tab of [page, opened]) await tab.getByText("Welcome.").waitFor();
      await opened.waitForURL(`${world.app}/`);
      if (path === "/") break;
      await page.locator("summary").click();
      await page.getByRole("button", { name: "Sign out" }).click();
      await opened.getByRole("button", { name: "Sign in" }).waitFor();
    }
    const page = await open(browser, `${world.app}/profile`);
    const address = await ask(page, "Add");
    await page.getByText("Check your mail").waitFor();
    await open(browser, await world.linkTo(address));
    await page.getByText("verified").waitFor();
    assert.equal(await page.title(), "3 parts");
    assert.equal((await world.mails(address)).length, 1);
  });

  it("Next.js: its components render on a server, hydrate and sign in", async (t) => {
    const { world, browser } = await application(t, (path) => next[path === "/verify" ? "verify" : "sign-in"], async ({ url }) => {
      for (const [name, text] of Object.entries(EXAMPLES)) if (name.startsWith("app/")) write(`next/${name}`, text);
      // The part of Next.js that the examples use.
      write("next/navigation.js", "const router = { push: (to) => location.assign(to) };\nexport const useRouter = () => router;");
      const options = {
        alias: { "next/navigation": join(dir, "next/navigation.js") },
        define: { "process.env.NODE_ENV": '"development"', "process.env.NEXT_PUBLIC_LINKGATE_URL": JSON.stringify(url) },
      };
      for (const page of ["sign-in", "verify"]) {
        const tree = `
          import { StrictMode } from "react";
          import RootLayout from "./app/layout.jsx";
          import Page from "./app/${page}/page.jsx";
          const tree = <StrictMode><RootLayout><Page /></RootLayout></StrictMode>;`;
        write(`next/${page}.client.jsx`, `import { hydrateRoot } from "react-dom/client";${tree}
          hydrateRoot(document, tree, { onRecoverableError: (error) => console.error(String(error)) });`);
        write(`next/${page}.server.jsx`, `import { renderToString } from "react-dom/server";${tree}
          console.log("<!doctype html>" + renderToString(tree));`);
        await bundle(join(dir, `next/${page}.client.jsx`), join(dir, "out"), options);
        await bundle(join(dir, `next/${page}.server.jsx`), join(dir, "next/server"), { ...options, platform: "node", format: "cjs", splitting: false, outExtension: { ".js": ".cjs" } });
        next[page] = `${run(process.execPath, [join(dir, `next/server/${page}.server.cjs`)]).trim()}<script type="module" src="/assets/${page}.client.js"></script>`;
      }
    });
    assert.match(next["sign-in"], /<html lang="en">.*<body><form>/);
    const page = await open(browser, `${world.app}/sign-in`);
    const address = await ask(page, "Sign in");
    await page.getByText("Check your mail").waitFor();
    const opened = await open(browser, await world.linkTo(address));
    for (const tab of [page, opened]) await tab.getByText(`Welcome, ${address.toLowerCase()}`).waitFor();
    await opened.waitForURL(`${world.app}/sign-in`);
  });
  const next = {};

  it("a classic script", async (t) => {
    const { world, browser } = await application(t, (_, url) => EXAMPLES["classic.html"].replaceAll(DEV, url));
    const page = await open(browser, world.app);
    await page.waitForFunction(() => globalThis.Clerk?.loaded && document.getElementById("form").onsubmit);
    const address = await ask(page, "Sign in");
    const opened = await open(browser, await world.linkTo(address));
    for (const tab of [page, opened]) await tab.getByText(`Signed in as ${address}`).waitFor();
  });
});

describe("examples of back ends", () => {
  let world, token;
  const json = async (path, { key, method = "POST", body, ...headers } = {}) => {
    const all = { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...(key && { Authorization: `Bearer ${key}` }), ...headers };
    const response = await fetch(new URL(path, world.url), { method, headers: all, body: body && JSON.stringify(body) });
    const answer = await response.json();
    assert.ok(response.ok, `${path}: ${JSON.stringify(answer)}`);
    return answer;
  };
  /** Opens the newest link to this address and confirms it. */
  async function confirm(address, headers = {}) {
    const link = await world.linkTo(address);
    const { confirmation } = await json(link, { method: "GET", ...headers });
    return json(link, { body: { decision: "approve", confirmation }, ...headers });
  }
  const forged = () => {
    const [head, body, signature] = token.split(".");
    const claims = { ...JSON.parse(Buffer.from(body, "base64url")), sub: "user_mallory" };
    return [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
  };

  before(async () => {
    world = await startWorld({ LINKGATE_API_KEYS: API_KEY, LINKGATE_SESSION_TTL: "1h" }, { page: () => "" });
    const address = someone();
    const own = { "Linkgate-Client": randomBytes(24).toString("hex") };
    const attempt = await json("/v1/attempts", { body: { email_address: address, purpose: "sign_in" }, ...own });
    await confirm(address, own);
    ({ session_token: token } = await json(`/v1/attempts/${attempt.id}/redeem`, { key: attempt.attempt_token, ...own }));
  });
  after(() => world?.stop());

  it("Node, with jose, and tickets", async (t) => {
    write("server.mjs", EXAMPLES["server.mjs"]);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const env = { LINKGATE: world.url, LINKGATE_API_KEY: API_KEY, PORT: String(port) };
    const server = await startProgram(process.execPath, [join(dir, "server.mjs")], { env, ready: () => fetch(url) });
    t.after(() => server.stop());
    const get = async (path, headers) => {
      const response = await fetch(url + path, { headers });
      return [response.status, await response.json()];
    };
    const [status, who] = await get("/", { Authorization: `Bearer ${token}` });
    assert.equal(status, 200);
    assert.match(who.id, /^user_/);
    for (const bad of [undefined, "Bearer x", `Bearer ${forged()}`]) assert.equal((await get("/", bad && { Authorization: bad }))[0], 401);

    const address = someone();
    const body = { email_address: address, purpose: "sign_in", redirect_url: `${world.app}/arrive`, ticket: true, cross_device: "approve" };
    await json("/v1/attempts", { key: API_KEY, body });
    const { redirect_url } = await confirm(address);
    const path = new URL(redirect_url).pathname + new URL(redirect_url).search;
    assert.match(path, /^\/arrive\?.*__linkgate_ticket=/);
    const [arrived, user] = await get(path);
    assert.deepEqual([arrived, user.email_address], [200, address.toLowerCase()]);
    assert.equal((await get(path))[0], 401, "once");
  });

  it("Python, with PyJWT", () => {
    write("session_token.py", EXAMPLES["session_token.py"]);
    const env = { ...process.env, LINKGATE: world.url };
    const python = withPyJwt();
    assert.match(run(python, ["session_token.py", token], { cwd: dir, env }), /^user_[0-9a-f]{64} ada\./);
    assert.throws(() => run(python, ["session_token.py", forged()], { cwd: dir, env }), /InvalidSignatureError/);
  });

  it("Rust, with jsonwebtoken", () => {
    assert.equal(EXAMPLES["session_token.rs"], readFileSync(join(ROOT, "examples/session_token.rs"), "utf8"), "the README's is the one that is built");
    // Settings of Cargo may move its target directory.
    const messages = run("cargo", ["build", "--quiet", "--example", "session_token", "--message-format=json"], { cwd: ROOT });
    const program = /"executable":"([^"]*session_token[^"]*)"/.exec(messages)[1];
    const env = { ...process.env, LINKGATE: world.url };
    assert.match(run(program, [token], { env }), /^user_[0-9a-f]{64} ada\./);
    assert.throws(() => run(program, [forged()], { env }), /InvalidSignature/);
  });
});

/** A Python with PyJWT: Debian's, or else a virtual environment below target/. */
function withPyJwt() {
  const has = (python) => {
    try {
      return run(python, ["-c", "import jwt, cryptography"]) === "";
    } catch {
      return false;
    }
  };
  const own = join(ROOT, "target/client-python");
  for (const python of ["python3", "/usr/bin/python3", join(own, "bin/python")]) if (has(python)) return python;
  run("python3", ["-m", "venv", own]);
  run(join(own, "bin/pip"), ["install", "--quiet", "pyjwt[crypto]"]);
  return join(own, "bin/python");
}
