// Quotes and symbols. Each case has a fresh context, so a fresh watchlist and no key. The names of
// all cases are sentences that can be false.

import { check, isLive, until } from "../support.mjs";

const prices = (page) => page.locator(".quote-row .cell-price:not([role=columnheader])").allInnerTexts();

export async function the_watchlist_moves({ page, url }) {
  await page.goto(url);
  await isLive(page);
  await until("prices are shown", async () => (await prices(page)).some((text) => /\d/.test(text)));
  const before = (await prices(page)).join();
  await until("a price moved", async () => (await prices(page)).join() !== before);
  check("the banner says that this is a demo", await page.locator(".demo").isVisible());
  const badges = await page.locator(".cell-provider .badge").allInnerTexts();
  check("every row says who invented its price", badges.length > 0 && badges.every((name) => ["replay", "simulated"].includes(name)));
  await until("sparklines are drawn", async () => (await page.locator(".spark path[d^=M]").count()) > 0);
}

export async function a_symbol_is_added_and_its_chart_opened({ page, url }) {
  await page.goto(url);
  await isLive(page);
  await page.getByRole("combobox", { name: "Add a symbol" }).fill("gbp/jpy");
  await page.getByRole("option", { name: /GBP\/JPY/ }).waitFor();
  await page.keyboard.press("Enter");
  const row = page.locator(".quote-row", { hasText: "GBP/JPY" });
  await until("the added symbol has a price", async () => /\d/.test(await row.locator(".cell-price").innerText()));
  await page.getByRole("link", { name: "GBP/JPY" }).click();
  await page.getByRole("heading", { name: "GBP/JPY" }).waitFor();
  await page.locator(".price-chart canvas").first().waitFor();
  await page.locator(".legend b").first().waitFor();
  check("the URL names the symbol", page.url().includes("#/symbol/GBP%2FJPY"));
  await page.getByRole("button", { name: "1h", exact: true }).click();
  check("the URL holds the interval", page.url().includes("interval=1h"));
  await page.reload();
  await page.locator("button[aria-pressed=true]", { hasText: "1h" }).waitFor();
  await page.getByRole("button", { name: "Receipt" }).click();
  const receipt = page.getByRole("dialog");
  await receipt.getByText("Answered by").waitFor();
  await receipt.getByText("simulated").first().waitFor();
  await page.keyboard.press("Escape");
  check("the policy let no style be injected", (await page.locator("head style").count()) === 0);
}

export async function averages_of_a_symbol_grow_with_its_prices({ page, url }) {
  await page.goto(`${url}/#/symbol/BTC-USD?ma=5`);
  await isLive(page);
  const records = page.getByRole("region", { name: "Table of stored prices" });
  await records.locator("tbody tr").nth(5).waitFor();
  const drawn = () => page.locator(".legend").innerText();
  const before = await drawn();
  await until("the last candle moves", async () => (await drawn()) !== before);
}

export async function a_correction_shows_its_versions({ page, service, url }) {
  const price = { symbol: "E2E.FIX", price: 10.5, timestamp: "2026-01-05T10:00:00Z", source: "desk" };
  const headers = { "Content-Type": "application/json" };
  const stored = await fetch(`${url}/prices`, { method: "POST", headers, body: JSON.stringify(price) }).then((answer) => answer.json());
  const corrected = await fetch(`${url}/prices/${stored.id}`, { method: "PUT", headers, body: JSON.stringify({ price: 10.75 }) });
  check(`the correction is taken: ${corrected.status}`, corrected.ok);
  await page.goto(`${url}/#/symbol/E2E.FIX`);
  await page.getByRole("button", { name: /2 versions|version 2/i }).click();
  const versions = page.getByRole("dialog");
  await versions.getByText("10.75").waitFor();
  check("the superseded value is shown too", await versions.getByText("10.50", { exact: false }).isVisible());
}

export async function removing_and_editing_change_the_watchlist({ page, url }) {
  await page.goto(url);
  await page.getByRole("button", { name: "Edit list" }).click();
  await page.getByRole("textbox", { name: "Symbols and groups" }).fill("# Tech\nAAPL MSFT\n# Coins\nBTC-USD");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".group-head", { hasText: "Coins" }).waitFor();
  await page.getByRole("button", { name: "Remove MSFT" }).click();
  await page.reload();
  await page.getByRole("link", { name: "BTC-USD" }).waitFor();
  check("three symbols less one", (await page.locator("[data-row-link]").count()) === 2);
}

export async function the_address_holds_sort_filter_and_grouping({ page, url }) {
  await page.goto(`${url}/#/quotes?sort=symbol&dir=desc&group=class&filter=usd`);
  await page.locator(".group-head", { hasText: "Crypto" }).waitFor();
  const shown = await page.locator("[data-row-link]").allInnerTexts();
  check(`only what matches: ${shown}`, shown.length > 0 && shown.every((symbol) => symbol.includes("USD")));
  const coins = shown.filter((symbol) => symbol.includes("-"));
  check("descending", coins.join() === [...coins].sort().reverse().join());
  await page.getByRole("searchbox", { name: "Filter the rows" }).fill("eth");
  await until("the address follows", () => page.url().includes("filter=eth"));
}

export async function times_are_the_readers_with_utc_beside_them({ page, url }) {
  await page.goto(`${url}/#/symbol/BTC-USD`);
  const time = page.getByRole("region", { name: "Table of stored prices" }).locator("tbody time").first();
  await time.waitFor();
  const { shown, title } = await time.evaluate((element) => ({ shown: element.textContent, title: element.title }));
  const utc = /(\d\d):(\d\d):\d\d.* UTC$/.exec(title);
  check(`the title is in UTC: ${title}`, utc);
  const local = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Berlin", hour: "2-digit", minute: "2-digit" }).format(new Date(await time.getAttribute("datetime")));
  check(`${shown} is ${local} in Berlin`, shown.includes(local) && !local.startsWith(utc[1]));
}

export async function who_wants_little_motion_gets_none({ page, url }) {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto(url);
  await isLive(page);
  const flashing = page.locator(".cell-price[data-flash]").first();
  await flashing.waitFor();
  const moving = await page.evaluate(() => [...document.querySelectorAll(".cell-price")].filter((cell) => {
    const { transitionDuration, backgroundColor } = getComputedStyle(cell);
    return transitionDuration !== "0s" || backgroundColor !== "rgba(0, 0, 0, 0)";
  }).length);
  check("no price flashes", moving === 0);
}

export async function the_keyboard_reaches_what_it_promises({ page, url }) {
  await page.goto(url);
  await isLive(page);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("/");
  check("the search has the focus", await page.evaluate(() => document.activeElement?.getAttribute("aria-label") === "Search a symbol"));
  await page.keyboard.type("btc");
  await page.getByRole("option", { name: /BTC-USD/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "BTC-USD" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("j");
  await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
}
