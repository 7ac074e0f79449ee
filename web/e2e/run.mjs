// The dashboard driven by a browser, against TICKERD_E2E_URL or the mock. See support.mjs.
//
//   npm run e2e              everything
//   npm run e2e -- shots     only the pictures

import { readFileSync } from "node:fs";
import { openBrowser, startService } from "./support.mjs";
import { takeShots } from "./shots.mjs";
import { watchBrowser } from "./console.mjs";
import * as cases from "./cases.mjs";

const [mode, ...only] = process.argv.slice(2);
const browser = await openBrowser();
if (!browser) process.exit(0);
const service = await startService();
console.log(`against ${service.name}`);
const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

let nFailed = 0;
async function run(name, act) {
  const started = Date.now();
  try {
    const reason = await act();
    if (reason && process.env.TICKERD_TEST_REQUIRE) throw new Error(`${reason}, and TICKERD_TEST_REQUIRE is set`);
    console.log(reason ? `skip  ${name}: ${reason}` : `ok    ${name} (${Date.now() - started} ms)`);
  } catch (error) {
    nFailed += 1;
    console.log(`FAIL  ${name}: ${error.stack ?? error}`);
  }
}

if (mode !== "shots") {
  for (const [name, act] of Object.entries(cases)) {
    if (mode && !name.includes(mode)) continue;
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB" });
    const page = await context.newPage();
    page.setDefaultTimeout(8000);
    const complaints = watchBrowser(page, service.url);
    await run(name.replaceAll("_", " "), async () => {
      const reason = await act({ page, context, service, url: service.url, axe });
      if (complaints.length > 0) throw new Error(`the browser complained:\n  ${complaints.join("\n  ")}`);
      return reason;
    });
    await context.close();
  }
}
if (!mode || mode === "shots") await run("screenshots of every page", () => takeShots(browser, service.url, only.length > 0 ? only : undefined));

await browser.close();
await service.end();
process.exit(nFailed > 0 ? 1 : 0);
