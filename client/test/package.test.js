/** What people get: the served scripts, the types, the tarball. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { CLIENT, project, run } from "./support.js";

const read = (name) => readFileSync(join(CLIENT, name), "utf8");
const MODULES = readdirSync(join(CLIENT, "src")).filter((name) => name !== "classic.js").map((name) => name.replace(/\.js$/, ""));

describe("the scripts that the service serves", () => {
  it("are small when gzipped", (t) => {
    for (const [name, most] of [["client", 8000], ["compat", 8000], ["relay-code", 2000]]) {
      const size = gzipSync(read(`dist/${name}.js`), { level: 9 }).length;
      t.diagnostic(`dist/${name}.js: ${size} bytes gzipped`);
      assert.ok(size <= most, `${name}: ${size} bytes`);
    }
  });

  it("import nothing but the dialog", () => {
    for (const name of ["client", "compat", "relay-code"]) {
      const imports = [...read(`dist/${name}.js`).matchAll(/\bimport\b\s*(\(?[^;,]{0,24})/g)].map(([, what]) => what);
      assert.deepEqual(imports.map((what) => what.replace(/\).*/, ")")), name === "relay-code" ? [] : ['("./relay-code.js")'], name);
    }
  });

  it("export what the modules export", async () => {
    for (const [served, module] of [["client", "linkgate"], ["relay-code", "relay-code"]]) {
      const [actual, expected] = await Promise.all([import(join(CLIENT, `dist/${served}.js`)), import(join(CLIENT, `src/${module}.js`))]);
      assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort());
    }
  });

  it("have a classic script that sets window.Clerk for the service that it came from", () => {
    const script = { src: "https://login.example.com/compat.js", dataset: {} };
    const page = createContext({ URL, document: { currentScript: script }, window: {} });
    // A script, not a module: import and export statements are syntax errors here.
    runInContext(read("dist/compat.js"), page);
    assert.equal(page.window.Clerk.url, "https://login.example.com");
    for (const name of ["load", "setActive", "signOut", "handleEmailLinkVerification", "addListener", "isEmailLinkError"]) {
      assert.equal(typeof page.window.Clerk[name], "function", name);
    }
    assert.deepEqual(Object.keys(page), ["URL", "document", "window"], "no other global");
  });

  it("evaluate no text and write no HTML, nor do the package's modules", () => {
    const files = [...["client", "compat", "relay-code"].map((name) => `dist/${name}.js`), ...MODULES.map((name) => `src/${name}.js`)];
    for (const file of files) assert.doesNotMatch(read(file), /\beval\b|new Function|innerHTML|Worker\(/, file);
  });
});

describe("the package", () => {
  it("has types that hold, and that a file of usages agrees with", () => {
    run(process.execPath, [join(CLIENT, "node_modules/typescript/bin/tsc"), "-p", join(CLIENT, "test/types")]);
  });

  it("exports what it describes, and no more", async () => {
    for (const name of ["linkgate", "react", "compat"]) {
      const actual = Object.keys(await import(join(CLIENT, `src/${name}.js`))).sort();
      const text = read(`types/${name}.d.ts`);
      const declared = [...text.matchAll(/^export (?:declare )?(?:const|function|class) (\w+)/gm)].map(([, it]) => it);
      for (const [, list] of text.matchAll(/^export \{([^}]+)\}/gm)) {
        for (const one of list.split(",").filter((it) => it.trim())) declared.push(one.trim().split(" as ").at(-1));
      }
      assert.deepEqual([...new Set(declared)].sort(), actual, name);
    }
  });

  it("works when its tarball is installed in an empty project", () => {
    const { path, files } = project();
    const modules = MODULES.flatMap((name) => [`src/${name}.js`, `types/${name}.d.ts`]);
    assert.deepEqual(files.sort(), ["README.md", "package.json", ...modules].sort());
    writeFileSync(
      join(path, "try.js"),
      `import { createLinkgate, isEmailLinkError } from "linkgate";
       import { LinkgateProvider, useSignIn } from "linkgate/react";
       import { Clerk, ClerkProvider } from "linkgate/compat";
       import { createElement } from "react";
       import { renderToString } from "react-dom/server";
       const Page = () => JSON.stringify(useSignIn());
       const html = renderToString(createElement(LinkgateProvider, { url: "https://login.example.com" }, createElement(Page)));
       console.log(html.replaceAll("&quot;", '"'), createLinkgate({ url: "https://login.example.com/" }).url);
       const key = "pk_live_" + btoa("login.example.com$");
       console.log(new Clerk(key).url, new Clerk("pk_test_" + btoa("127.0.0.1:8080$")).url, new Clerk("https://a.example").url);`,
    );
    assert.deepEqual(run(process.execPath, ["try.js"], { cwd: path }).trim().split("\n"), [
      '{"isLoaded":false} https://login.example.com',
      "https://login.example.com http://127.0.0.1:8080 https://a.example",
    ]);
    writeFileSync(
      join(path, "try.ts"),
      `import { createLinkgate } from "linkgate";
       import { useLinkgate } from "linkgate/react";
       import { Clerk } from "linkgate/compat";
       const urls: string[] = [createLinkgate({ url: "" }).url, useLinkgate().url, new Clerk("").url];
       console.log(urls);`,
    );
    for (const module of [["--module", "nodenext"], ["--module", "esnext", "--moduleResolution", "bundler"], ["--module", "esnext", "--moduleResolution", "node10"]]) {
      const options = ["--noEmit", "--strict", "--target", "es2022", ...module];
      run(process.execPath, [join(CLIENT, "node_modules/typescript/bin/tsc"), ...options, "try.ts"], { cwd: path });
    }
  });

  it("names no host but the public registry in its lock file", () => {
    for (const [, host] of read("package-lock.json").matchAll(/"resolved": "https?:\/\/([^/"]+)/g)) assert.equal(host, "registry.npmjs.org");
  });
});
