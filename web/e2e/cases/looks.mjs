// Every page in both themes at both widths: nothing is cut off, nothing offends axe, and a picture
// of each is kept in target/screenshots for a person to look at.

import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { check, until } from "../support.mjs";

const SHOTS = fileURLToPath(new URL("../../../target/screenshots/", import.meta.url));
const AXE = readFileSync(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const VIEWS = [1440, 360].flatMap((width) => ["light", "dark"].map((theme) => ({ width, theme })));

const canvas = (page) => page.locator("main canvas").first().waitFor();
const row = (page) => page.locator("main article").first().waitFor();
const dialog = (page) => page.getByRole("dialog").waitFor();

/** Where each page is, and when it shows what it is for. */
const PAGES = {
  quotes: { hash: "quotes?group=class", ready: (page) => until("prices are shown", async () => (await page.locator(".cell-percent.up, .cell-percent.down").count()) > 3) },
  symbol: { hash: "symbol/BTC-USD?ma=5,20", ready: canvas },
  receipt: { hash: "symbol/EUR%2FUSD?receipt=1", ready: (page) => page.getByText("Answered by").waitFor(), cut: true },
  jobs: { hash: "jobs", ready: row },
  "new-job": { hash: "jobs?new=1", ready: dialog, cut: true },
  providers: { hash: "providers", ready: row },
  pipeline: { hash: "pipeline", ready: canvas },
  system: { hash: "system", ready: (page) => page.getByRole("heading", { name: "Configuration" }).waitFor() },
  "sign-in": { hash: "sign-in", ready: (page) => page.getByLabel("API key").waitFor() },
  empty: { hash: "quotes", ready: (page) => page.getByText("Nothing to watch yet").waitFor(), before: (page) => page.evaluate(() => localStorage.setItem("tickerd.watchlist", "")) },
  help: { hash: "quotes", ready: async (page) => (await page.keyboard.press("?"), await dialog(page)), cut: true },
};

export async function every_page_looks_right_at_both_widths_in_both_themes({ page, url }) {
  mkdirSync(SHOTS, { recursive: true });
  await seed(url);
  // A price that flashes while the theme changes has, for a moment, the colours of neither.
  await page.emulateMedia({ reducedMotion: "reduce" });
  const found = [];
  for (const [name, { hash, ready, before, cut }] of Object.entries(PAGES)) {
    await page.goto("about:blank");
    await page.goto(`${url}/#/${hash}`);
    if (before) await before(page).then(() => page.reload());
    await ready(page);
    await page.evaluate(AXE);
    for (const { width, theme } of VIEWS) {
      await page.setViewportSize({ width, height: width > 500 ? 900 : 760 });
      await page.emulateMedia({ colorScheme: theme });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) found.push(`${name} at ${width} px is ${over} px too wide`);
      const { violations } = await page.evaluate((runOnly) => window.axe.run(document, { runOnly }), RULES);
      for (const { id, impact, nodes } of violations) {
        const where = nodes.slice(0, 2).map(({ html, any }) => `${html.slice(0, 140)} ${any[0]?.message ?? ""}`).join(" | ");
        const line = `${name} ${theme} ${width}: ${impact} ${id}: ${where}`;
        if (["serious", "critical"].includes(impact)) found.push(line);
        else console.log(`      note: ${line}`);
      }
      await page.screenshot({ path: `${SHOTS}${name}-${width}-${theme}.png`, fullPage: !cut });
    }
  }
  check(`no finding:\n  ${found.join("\n  ")}`, found.length === 0);
}

/** Something to see on the jobs page. */
async function seed(url) {
  const jobs = [
    { symbols: ["AAPL", "MSFT", "BTC-USD"], interval: 5, name: "Morning basket" },
    { symbols: ["EUR/USD"], cron: "0 */5 8-17 * * 1-5", provider: "simulated" },
  ];
  for (const job of jobs) {
    await fetch(`${url}/prices/poll`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(job) });
  }
}
