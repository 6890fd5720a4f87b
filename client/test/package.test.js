/** The package as people get it: its size, its types, its tarball. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { CLIENT, project, run } from "./support.js";

const read = (name) => readFileSync(join(CLIENT, "src", name), "utf8");

describe("the package", () => {
  it("has a core of at most 8 kB gzipped, without imports", (t) => {
    const size = (name) => gzipSync(read(name), { level: 9 }).length;
    for (const name of ["linkgate.js", "relay-code.js", "react.js"]) t.diagnostic(`${name}: ${size(name)} bytes gzipped`);
    assert.ok(size("linkgate.js") <= 8000, `${size("linkgate.js")} bytes`);
    assert.doesNotMatch(read("linkgate.js"), /^import /m);
    for (const name of ["linkgate.js", "relay-code.js", "react.js"]) assert.doesNotMatch(read(name), /\beval\b|new Function|innerHTML|Worker\(/);
  });

  it("has types that hold, and that a file of usages agrees with", () => {
    run(process.execPath, [join(CLIENT, "node_modules/typescript/bin/tsc"), "-p", join(CLIENT, "test/types")]);
  });

  it("exports what it describes, and no more", async () => {
    for (const name of ["linkgate", "react", "compat"]) {
      const actual = Object.keys(await import(join(CLIENT, `src/${name}.js`))).sort();
      const text = read(`${name}.d.ts`);
      const declared = [...text.matchAll(/^export (?:declare )?(?:const|function|class) (\w+)/gm)].map(([, it]) => it);
      for (const [, list] of text.matchAll(/^export \{([^}]+)\}/gm)) {
        for (const one of list.split(",").filter((it) => it.trim())) declared.push(one.trim().split(" as ").at(-1));
      }
      assert.deepEqual([...new Set(declared)].sort(), actual, name);
    }
  });

  it("works when its tarball is installed in an empty project", () => {
    const { path, files } = project();
    assert.deepEqual(files.sort(), [
      "README.md", "package.json",
      ...["compat.d.ts", "compat.js", "key.js", "linkgate.d.ts", "linkgate.js", "react.d.ts", "react.js", "relay-code.js"].map((name) => `src/${name}`),
    ]);
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
    writeFileSync(join(path, "try.ts"), 'import { createLinkgate } from "linkgate";\nconst it: string = createLinkgate({ url: "" }).url;\nconsole.log(it);\n');
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"];
    run(process.execPath, [join(CLIENT, "node_modules/typescript/bin/tsc"), ...options, "try.ts"], { cwd: path });
  });

  it("names no host but the public registry in its lock file", () => {
    for (const [, host] of readFileSync(join(CLIENT, "package-lock.json"), "utf8").matchAll(/"resolved": "https?:\/\/([^/"]+)/g)) assert.equal(host, "registry.npmjs.org");
  });
});
