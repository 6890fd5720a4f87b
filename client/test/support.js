/**
 * The environment of the tests in a browser: the real service, an application on another origin of the same site with a
 * strict CSP, a real Chromium, and listeners for everything that a page must not do.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

export const CLIENT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const ROOT = resolve(CLIENT, "..");
export const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target");
export const BINARY = resolve(ROOT, process.env.LINKGATE_BIN ?? join(TARGET, "debug/linkgate"));
/** Always below the work tree, wherever cargo builds, so that people find them. */
const SCREENSHOTS = join(ROOT, "target/screenshots/client");

export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

function listen(server) {
  return new Promise((done, failed) => {
    server.on("error", failed);
    server.listen(0, "127.0.0.1", () => done(server.address().port));
  });
}

export async function freePort() {
  const server = createServer();
  const port = await listen(server);
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts a program. Resolves as soon as `ready` does not throw. */
export async function startProgram(program, args, { env = {}, ready, stdin = "ignore" }) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("LINKGATE"));
  const child = spawn(program, args, { env: { ...Object.fromEntries(inherited), ...env }, stdio: [stdin, "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (log += text));
  let failure = null;
  child.on("error", (error) => (failure = error));
  const stop = () => {
    const ended = new Promise((end) => (child.exitCode === null && !failure ? child.once("exit", end) : end()));
    child.kill("SIGTERM");
    return ended;
  };
  for (const deadline = Date.now() + 20_000; ; await sleep(20)) {
    if (failure) throw failure;
    assert.equal(child.exitCode, null, `${program} has ended:\n${log}`);
    try {
      await ready();
      return { stop, log: () => log, signal: (name) => child.kill(name) };
    } catch (error) {
      if (Date.now() > deadline) {
        await stop();
        throw new Error(`${program} is not ready:\n${log}`, { cause: error });
      }
    }
  }
}

/** A Redis that can be paused and resumed. */
export async function startRedis(port, directory) {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", ""];
  const redis = await startProgram("redis-server", args, {
    ready: () =>
      new Promise((done, failed) => {
        const socket = connect(port, "127.0.0.1", () => (socket.end(), done()));
        socket.on("error", failed);
      }),
  });
  return { stop: redis.stop, pause: () => redis.signal("SIGSTOP"), resume: () => redis.signal("SIGCONT") };
}

/** Bundles an entry into a directory of scripts, as users' bundlers do. */
export async function bundle(entry, outdir, options = {}) {
  await build({
    entryPoints: [entry], outdir, bundle: true, format: "esm", splitting: true, jsx: "automatic", logLevel: "warning",
    define: { "process.env.NODE_ENV": '"development"' }, nodePaths: [join(CLIENT, "node_modules")], ...options,
  });
}

const TYPES = { ".js": "text/javascript; charset=utf-8", ".html": "text/html; charset=utf-8" };

/**
 * The application and its linkgate. `settings` are the service's, `files` is the directory of the scripts, and `page`
 * returns the body of a page by its path.
 */
export async function startWorld(settings = {}, { files, page }) {
  const port = await freePort();
  const url = settings.LINKGATE_PUBLIC_URL ?? `http://127.0.0.1:${port}`;
  const policy = [
    "default-src 'none'", `script-src 'self' ${url}`, `connect-src ${url}`, "style-src 'self'", "base-uri 'none'",
    "form-action 'none'", "require-trusted-types-for 'script'",
  ].join("; ");
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const file = files && pathname.startsWith("/assets/") && join(files, pathname.slice("/assets/".length));
    if (file && existsSync(file)) return response.writeHead(200, { "Content-Type": TYPES[".js"] }).end(readFileSync(file));
    if (pathname === "/favicon.ico") return response.writeHead(204).end();
    const body = page(pathname, url);
    if (body.startsWith("<!doctype")) return response.writeHead(200, { "Content-Type": TYPES[".html"] }).end(body);
    const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">`;
    response.writeHead(200, { "Content-Type": TYPES[".html"], "Content-Security-Policy": policy });
    response.end(`<!doctype html><html lang="en"><head>${head}<title>App</title><meta name="linkgate" content="${url}"></head><body>${body}</body></html>`);
  });
  const app = `http://127.0.0.1:${await listen(server)}`;
  const linkgate = await startProgram(BINARY, ["dev"], {
    env: {
      LINKGATE_LISTEN_ADDR: `127.0.0.1:${port}`,
      LINKGATE_OPS_ADDR: `127.0.0.1:${await freePort()}`,
      LINKGATE_ALLOWED_ORIGINS: app,
      LINKGATE_REDIRECT_URLS: `${app}/`,
      ...settings,
    },
    ready: async () => assert.ok((await fetch(url)).ok),
  });
  return {
    app, url, log: linkgate.log,
    async mails(to) {
      return (await fetch(`${url}/dev/mailbox?to=${encodeURIComponent(to)}`, { headers: { Accept: "application/json" } })).json();
    },
    /** The link in the newest mail to this address, which may still be on its way. */
    async linkTo(to) {
      for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(20)) {
        const [mail] = await this.mails(to);
        if (mail) return mail.link;
      }
      throw new Error(`no mail to ${to}`);
    },
    async stop() {
      server.closeAllConnections?.();
      await new Promise((done) => server.close(done));
      await linkgate.stop();
    },
  };
}

export function startChromium() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Browsers of different people, each with its own cookie jar. Closing them fails if a page did something forbidden. */
export function people(chromium, world, { forgive = [] } = {}) {
  const contexts = [];
  const complaints = [];
  return {
    async browser(options = {}) {
      const context = await chromium.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 }, ...options });
      contexts.push(context);
      context.setDefaultTimeout(15_000);
      // Chromium reports every 4xx on the console. Pages expect these: nobody is signed in, the code is wrong, the link is used.
      const expected = /^Failed to load resource: the server responded with a status of 4(01|09|10|22|29)/;
      context.on("console", (message) => {
        const text = message.text();
        if (!["error", "warning"].includes(message.type())) return;
        if (expected.test(text) || forgive.some((pattern) => pattern.test(text))) return;
        complaints.push(`${message.type()}: ${text} (${message.location().url})`);
      });
      context.on("weberror", (error) => complaints.push(`exception: ${error.error()}`));
      context.on("request", (request) => {
        const to = new URL(request.url());
        if (![world.app, world.url].includes(to.origin) && !/^(data|blob|about):$/.test(to.protocol)) complaints.push(`request: ${to}`);
      });
      return context;
    },
    async close() {
      for (const context of contexts.splice(0)) await context.close();
      assert.deepEqual(complaints.splice(0), [], "what pages must not do");
    },
  };
}

let addresses = 0;
/** An address that no other test uses. */
export const someone = (name = "Ada") => `${name}.${process.pid}.${++addresses}@example.com`;

export async function open(context, url) {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** Pictures of a page, on a phone and a desktop, light and dark. */
export async function picture(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const before = page.viewportSize();
  for (const [width, height] of [[390, 844], [1280, 800]]) {
    await page.setViewportSize({ width, height });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${name}: ${over}px too wide`);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}-${colorScheme}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}

/** A temporary directory, deleted when the tests end. */
export function scratch() {
  const path = mkdtempSync(join(tmpdir(), "linkgate-client-"));
  process.on("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The code blocks of the package's README that are marked as examples, by name. */
export function examples() {
  const readme = readFileSync(join(CLIENT, "README.md"), "utf8");
  return Object.fromEntries([...readme.matchAll(/<!-- example: (\S+) -->\n```\w+\n(.*?)```\n/gs)].map(([, name, text]) => [name, text]));
}

/** Runs a command to its end. Fails with its output. */
export function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", ...options });
  assert.equal(status, 0, `${command} ${args.join(" ")}\n${error ?? ""}${stdout}${stderr}`);
  return stdout;
}

/** An empty project with React, where the packed package is installed. */
export function project() {
  const path = scratch();
  const packed = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", path], { cwd: CLIENT }));
  writeFileSync(join(path, "package.json"), '{ "private": true, "type": "module" }');
  const quiet = ["--offline", "--no-audit", "--no-fund", "--no-save"];
  run("npm", ["install", ...quiet, join(path, packed[0].filename)], { cwd: path });
  for (const name of ["react", "react-dom", "scheduler", "jose", "@types", "csstype"]) {
    if (existsSync(join(CLIENT, "node_modules", name))) symlinkSync(join(CLIENT, "node_modules", name), join(path, "node_modules", name));
  }
  return { path, files: packed[0].files.map(({ path }) => path) };
}
