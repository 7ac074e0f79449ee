// Every page in both themes at both widths, into e2e/shots/, for a person to look at.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SHOTS = fileURLToPath(new URL("./shots/", import.meta.url));
const WIDTHS = [{ width: 1440, height: 900 }, { width: 360, height: 760 }];

export const PAGES = {
  quotes: "#/quotes?group=class",
  symbol: "#/symbol/BTC-USD?interval=15m&ma=5,20",
  receipt: "#/symbol/EUR%2FUSD?receipt=1",
  jobs: "#/jobs",
  "new-job": "#/jobs?new=1",
  providers: "#/providers",
  pipeline: "#/pipeline",
  system: "#/system",
  "sign-in": "#/sign-in",
  empty: "#/quotes",
};

export async function takeShots(browser, url, only) {
  mkdirSync(SHOTS, { recursive: true });
  for (const viewport of WIDTHS) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport, colorScheme, locale: "en-GB", timezoneId: "Europe/Berlin", hasTouch: viewport.width < 500 });
      const page = await context.newPage();
      for (const [name, hash] of Object.entries(PAGES)) {
        if (only && !only.includes(name)) continue;
        await page.goto("about:blank");
        await page.goto(`${url}/${hash}`);
        if (name === "empty") await page.evaluate(() => (localStorage.setItem("tickerd.watchlist", ""), location.reload()));
        // Long enough for charts to have a few readings; these pictures are for people, not for asserting.
        await page.waitForTimeout(name === "pipeline" ? 9000 : 2200);
        await page.screenshot({ path: `${SHOTS}${name}-${viewport.width}-${colorScheme}.png`, fullPage: !["receipt", "new-job"].includes(name) });
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) throw new Error(`${name} at ${viewport.width} px is ${over} px too wide`);
      }
      await context.close();
    }
  }
}
