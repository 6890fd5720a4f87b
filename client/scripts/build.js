/**
 * Generates what is committed beside the sources in src: dist, the scripts that the service serves, and types, the
 * package's declarations. `--check` generates into a temporary folder and fails if what is committed differs.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const CLIENT = dirname(dirname(fileURLToPath(import.meta.url)));
const GENERATED = ["dist", "types"];

const MODULE = ["", ""];
// In esbuild's own "iife" format, `import()` becomes `require`, which browsers lack.
const CLASSIC_SCRIPT = ['(()=>{"use strict";', "})();"];

const BUNDLES = [
  { name: "client", entry: "linkgate", wrap: MODULE, title: "The browser client of linkgate" },
  { name: "compat", entry: "classic", wrap: CLASSIC_SCRIPT, title: "The browser client of linkgate, as a classic script" },
  { name: "relay-code", entry: "relay-code", wrap: MODULE, title: "The dialog that asks for the relay code" },
];

/** Checks the types and writes the declarations. */
function declare(outDir) {
  const emit = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", outDir];
  const { status } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", ".", ...emit], { cwd: CLIENT, stdio: "inherit" });
  if (status !== 0) process.exit(1);
  // The package does not have this entry.
  rmSync(join(outDir, "classic.d.ts"));
}

async function generate(root) {
  for (const folder of GENERATED) rmSync(join(root, folder), { recursive: true, force: true });
  declare(join(root, "types"));
  for (const { name, entry, wrap: [begin, end], title } of BUNDLES) {
    await build({
      absWorkingDir: CLIENT,
      entryPoints: [`src/${entry}.js`],
      outfile: join(root, `dist/${name}.js`),
      banner: { js: `/** ${title}, generated from client/src. */\n${begin}`.trimEnd() },
      footer: { js: end },
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2022",
      // Served beside the others, and loaded only while somebody waits.
      external: ["./relay-code.js"],
      logLevel: "warning",
    });
  }
}

/** The generated files below this folder, by name. */
function contents(root) {
  const files = new Map();
  for (const folder of GENERATED) {
    for (const name of readdirSync(join(root, folder)).sort()) files.set(`${folder}/${name}`, readFileSync(join(root, folder, name)));
  }
  return files;
}

async function check() {
  const root = mkdtempSync(join(tmpdir(), "linkgate-generated-"));
  try {
    await generate(root);
    const [committed, fresh] = [contents(CLIENT), contents(root)];
    const names = new Set([...committed.keys(), ...fresh.keys()]);
    const stale = [...names].filter((name) => !fresh.get(name)?.equals(committed.get(name) ?? Buffer.alloc(0)));
    if (stale.length) {
      console.error(`Not what the sources give: ${stale.join(", ")}. Run \`npm run build\` in client/ and commit the result.`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

await (process.argv.includes("--check") ? check() : generate(CLIENT));
