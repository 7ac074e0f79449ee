// 300 rows, each updated ten times a second: frames a second and how often the main thread was
// blocked. The mock runs in a process of its own, so that it does not share the page's core by force.
//
//   npm run perf [seconds]

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { openBrowser, until } from "./support.mjs";

const SECONDS = Number(process.argv[2] ?? 10);
const FEWEST_FRAMES = 50;
const PORT = 8461;
const ROWS = 300;

const browser = await openBrowser();
if (!browser) process.exit(0);
const url = `http://127.0.0.1:${PORT}`;
const mock = spawn(process.execPath, [fileURLToPath(new URL("../mock/server.mjs", import.meta.url))], { env: { ...process.env, MOCK_PORT: String(PORT), MOCK_SYMBOLS: String(ROWS), MOCK_RATE: "10" }, stdio: "inherit" });
let failed = true;
try {
  await until("the mock answers", () => fetch(`${url}/health`).then((response) => response.ok, () => false));
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  for (const sort of ["", "?sort=percent"]) {
    await page.goto("about:blank");
    await page.goto(`${url}/#/quotes${sort}`);
    await until("all rows are there", async () => (await page.locator("[data-row-link]").count()) >= ROWS - 1);
    await page.waitForTimeout(4000); // sparklines of the rows in sight load first
    const { frames, longest, late, changes } = await page.evaluate(measure, SECONDS * 1000);
    const rate = frames / SECONDS;
    console.log(`${rate.toFixed(1)} frames/s, longest pause ${longest.toFixed(0)} ms, ${late} frames over 25 ms, ${(changes / SECONDS).toFixed(0)} text changes/s${sort && ` (${sort.slice(1)})`}`);
    failed = rate < FEWEST_FRAMES;
    if (failed) break;
  }
} finally {
  mock.kill();
  await browser.close();
}
process.exit(failed ? 1 : 0);

/** Runs in the page. */
function measure(millis) {
  return new Promise((resolve) => {
    let frames = 0, longest = 0, late = 0, changes = 0;
    const watcher = new MutationObserver((records) => (changes += records.length));
    watcher.observe(document.querySelector(".board"), { characterData: true, childList: true, subtree: true });
    const started = performance.now();
    let last = started;
    requestAnimationFrame(function frame(now) {
      frames += 1;
      longest = Math.max(longest, now - last);
      late += Number(now - last > 25);
      last = now;
      if (now - started < millis) requestAnimationFrame(frame);
      else (watcher.disconnect(), resolve({ frames, longest, late, changes }));
    });
  });
}
