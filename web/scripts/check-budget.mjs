// Fails when the built scripts outgrow the budget: the first screen may load 40 kB of gzipped
// script, everything together 150 kB. Sizes are those of `gzip -9`, in thousands of bytes.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const FIRST_SCREEN = 40_000;
const ALL = 150_000;

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const size = (path) => gzipSync(readFileSync(dist + path), { level: 9 }).length;
const html = readFileSync(dist + "index.html", "utf8");

// What the page names itself, and what those scripts import statically, and so on.
const first = new Set([...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map(([, path]) => path));
for (const path of first) {
  const source = readFileSync(dist + path, "utf8");
  for (const [, name] of source.matchAll(/(?:^|[;}\s])(?:import|export)[^;("']*?["']\.\/([^"']+\.js)["']/g)) first.add(`assets/${name}`);
}

const scripts = readdirSync(dist + "assets").filter((name) => name.endsWith(".js")).map((name) => `assets/${name}`);
const sum = (paths) => [...paths].reduce((total, path) => total + size(path), 0);
const kilo = (bytes) => (bytes / 1000).toFixed(1).padStart(6) + " kB";

for (const path of scripts) console.log(kilo(size(path)), first.has(path) ? "first" : "     ", path);
let failed = false;
for (const [what, paths, limit] of [["first screen", first, FIRST_SCREEN], ["all scripts", scripts, ALL]]) {
  const total = sum(paths);
  failed ||= total > limit;
  console.log(`${kilo(total)} of ${kilo(limit)}  ${what}${total > limit ? ": OVER BUDGET" : ""}`);
}
if (/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/.test(html)) {
  console.log("index.html has an inline script or style, which the service's policy refuses");
  failed = true;
}
process.exit(failed ? 1 : 0);
