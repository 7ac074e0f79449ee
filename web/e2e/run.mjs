// The dashboard of the real binary in demo mode, driven by Debian's Chromium.
//
//   npm run e2e                  everything
//   npm run e2e -- restart key   only the cases whose name has one of these words in it

import { openBrowser, PATIENCE_MS } from "./support.mjs";
import { watchBrowser } from "./console.mjs";
import { binary, Service } from "./service.mjs";
import { restoreDeadLetters } from "./letters.mjs";
import * as access from "./cases/access.mjs";
import * as jobs from "./cases/jobs.mjs";
import * as looks from "./cases/looks.mjs";
import * as pipeline from "./cases/pipeline.mjs";
import * as providers from "./cases/providers.mjs";
import * as stream from "./cases/stream.mjs";
import * as watchlist from "./cases/watchlist.mjs";

const words = process.argv.slice(2);
const cases = Object.entries({ ...watchlist, ...jobs, ...providers, ...pipeline, ...access, ...stream, ...looks })
  .filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));

if (cases.length === 0) fail(`no case has ${words.join(" or ")} in its name`);
const browser = await openBrowser().catch(fail);
console.log(`e2e: ${cases.length} cases against ${binary()}`);
const service = await Service.start({ before: restoreDeadLetters }).catch(fail);
let nFailed = 0;
for (const [name, act] of cases) {
  const started = Date.now();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", timezoneId: "Europe/Berlin" });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints = watchBrowser(page);
  try {
    await act({ page, context, service, url: service.url });
    if (complaints.length > 0) throw new Error(`the browser complained:\n  ${complaints.join("\n  ")}`);
    console.log(`ok    ${name.replaceAll("_", " ")} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    nFailed += 1;
    console.log(`FAIL  ${name.replaceAll("_", " ")}: ${error.stack ?? error}`);
    console.log(`  the page:\n${(await page.locator("body").innerText({ timeout: 5000 }).catch(String)).replace(/^/gm, "    ")}`);
    console.log(`  the service:\n${service.log.slice(-20).join("\n").replace(/^/gm, "    ")}`);
  }
  await context.close();
}
await browser.close();
await service.end();
console.log(nFailed === 0 ? "e2e: all is as it should be" : `e2e: ${nFailed} of ${cases.length} cases failed`);
process.exit(nFailed === 0 ? 0 : 1);

/** Without a browser or a service there is nothing to test: one sentence, and not a failure a case. */
function fail(reason) {
  console.error(`e2e: ${reason.message ?? reason}`);
  process.exit(1);
}
