// Each case gets a fresh context, so a fresh watchlist and no key. Names are sentences that can be false.

import { createMock } from "../mock/server.mjs";
import { check, until } from "./support.mjs";

const prices = (page) => page.locator(".quote-row .cell-price:not([role=columnheader])").allInnerTexts();
const isLive = (page) => page.locator(".top .state", { hasText: "Live" }).waitFor();

export async function the_watchlist_moves({ page, url }) {
  await page.goto(url);
  await isLive(page);
  await until("prices are shown", async () => (await prices(page)).some((text) => /\d/.test(text)));
  const before = (await prices(page)).join();
  await until("a price moved", async () => (await prices(page)).join() !== before);
  check("the banner says the prices are invented", await page.locator(".demo").isVisible());
}

export async function a_symbol_is_added_and_its_chart_opened({ page, url }) {
  await page.goto(url);
  await page.getByRole("combobox", { name: "Add a symbol" }).fill("gbp/jpy");
  await page.getByRole("option", { name: /GBP\/JPY/ }).waitFor();
  await page.keyboard.press("Enter");
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
  await page.getByRole("dialog").getByText("Answered by").waitFor();
  await page.keyboard.press("Escape");
  check("the policy let no style be injected", (await page.locator("head style").count()) === 0);
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

export async function a_job_is_created_paused_and_deleted({ page, url }) {
  await page.goto(`${url}/#/jobs`);
  const name = `e2e ${Date.now()}`;
  await page.getByRole("button", { name: "New job" }).click();
  await page.getByLabel("Symbols").fill("AAPL, BTC-USD");
  await page.getByRole("spinbutton", { name: "Seconds" }).fill("3600");
  await page.getByLabel("Name, if you like").fill(name);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  const card = page.locator("article", { hasText: name });
  await card.waitFor();
  await card.getByRole("button", { name: "Pause" }).click();
  await card.getByText("paused").waitFor();
  await card.getByRole("button", { name: "Resume" }).click();
  await card.getByRole("button", { name: "Pause" }).waitFor();
  await card.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete the job" }).click();
  await card.waitFor({ state: "detached" });
}

export async function a_dead_letter_is_replayed({ page, url }) {
  await page.goto(`${url}/#/pipeline`);
  const letters = page.locator(".letters article");
  const some = await letters.first().waitFor({ timeout: 3000 }).then(() => true, () => false);
  if (!some) return "the service has no dead letter";
  const name = await letters.first().getAttribute("aria-label");
  await letters.first().getByRole("button", { name: "Replay" }).click();
  await page.getByText("goes through the pipeline again").waitFor();
  await page.locator(`article[aria-label="${name}"]`).waitFor({ state: "detached" });
}

export async function a_breaker_is_closed_by_hand({ page, url }) {
  await page.goto(`${url}/#/providers`);
  await page.locator("article").first().waitFor();
  const button = page.getByRole("button", { name: "Close the breaker" }).first();
  // A healthy service has none open: then it is enough that it says so.
  if (!(await button.isVisible())) return void (await page.getByText("closed").first().waitFor());
  await button.click();
  await page.getByText(/The breaker of \w+ is closed/).waitFor();
}

/** Needs a service that asks for a key: the mock, or TICKERD_E2E_LOCKED_URL, which knows TICKERD_E2E_KEY. */
export async function a_reader_signs_in_and_out({ page, service }) {
  const { TICKERD_E2E_KEY, TICKERD_E2E_LOCKED_URL } = process.env;
  const key = service.mock ? "tkd_e2e_secret" : TICKERD_E2E_KEY;
  if (!key || (!service.mock && !TICKERD_E2E_LOCKED_URL)) return "TICKERD_E2E_LOCKED_URL and TICKERD_E2E_KEY are not set";
  const locked = service.mock ? createMock({ key }) : undefined;
  const base = locked ? `http://127.0.0.1:${await locked.start()}` : TICKERD_E2E_LOCKED_URL;
  try {
    const leaks = [];
    page.on("request", (request) => request.url().includes(key) && leaks.push(request.url()));
    page.removeAllListeners("request");
    await page.goto(`${base}/#/jobs`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.getByLabel("API key").fill("tkd_wrong_key");
    await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("does not accept this key").waitFor();
    await page.getByLabel("API key").fill(key);
    await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Jobs" }).waitFor();
    await page.goto(`${base}/#/quotes`);
    await isLive(page);
    check("the key is in session storage only", await page.evaluate((k) => sessionStorage.getItem("tickerd.key") === k && !JSON.stringify({ ...localStorage }).includes(k) && !document.cookie, key));
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    check("the key is forgotten", await page.evaluate(() => sessionStorage.getItem("tickerd.key") === null));
    check("no URL carried the key", leaks.length === 0);
  } finally {
    await locked?.end();
  }
}

export async function losing_the_network_is_said_and_mended({ page, context, url }) {
  await page.goto(url);
  await isLive(page);
  await context.setOffline(true);
  await page.locator(".top .state", { hasText: "Offline" }).waitFor();
  await context.setOffline(false);
  await isLive(page);
}

export async function a_restart_of_the_service_leaves_no_gap({ page, service, url }) {
  if (!service.stop) return "the service is not ours to kill";
  await page.addInitScript(() => {
    // Every message id that the page is given, and every position that it asks to resume from.
    const seen = (window.seenIds = []);
    window.resumedFrom = [];
    const real = window.fetch;
    window.fetch = async (...args) => {
      const response = await real(...args);
      if (!String(args[0]).startsWith("/v1/stream") || !response.ok) return response;
      const resumed = new Headers(args[1]?.headers).get("Last-Event-ID");
      if (resumed) window.resumedFrom.push(resumed);
      let rest = "";
      const decoder = new TextDecoder();
      const body = response.body.pipeThrough(new TransformStream({
        transform(chunk, controller) {
          rest += decoder.decode(chunk, { stream: true });
          const lines = rest.split("\n");
          rest = lines.pop();
          for (const line of lines) if (line.startsWith("id:")) seen.push(line.slice(3).trim());
          controller.enqueue(chunk);
        },
      }));
      return new Response(body, response);
    };
  });
  await page.goto(url);
  await isLive(page);
  await until("messages arrive", () => page.evaluate(() => window.seenIds.length > 10));
  await service.stop();
  await page.locator(".top .state", { hasText: /Lost|Connecting/ }).waitFor();
  await service.start();
  await isLive(page);
  const resumed = await until("the page resumed", () => page.evaluate(() => window.resumedFrom[0]), 25_000);
  const after = await until("messages follow", () => page.evaluate((id) => window.seenIds.slice(window.seenIds.lastIndexOf(id) + 1).length > 10, resumed), 25_000);
  check("messages follow the resumed position", after);
  const ids = await page.evaluate(() => window.seenIds);
  check("no message came twice", new Set(ids).size === ids.length);
  if (service.mock) {
    const { log } = service.mock.market;
    const expected = log.filter(({ type, id }) => type === "price" && id >= Number(ids[0]) && id <= Number(ids.at(-1))).map(({ id }) => String(id));
    check("every message of the outage was delivered after it", expected.join() === ids.join());
  }
}

export async function the_keyboard_reaches_what_it_promises({ page, url }) {
  await page.goto(url);
  await isLive(page);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
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

export async function no_page_has_a_serious_axe_finding({ page, url, axe }) {
  const found = [];
  for (const hash of ["quotes", "quotes?group=class", "symbol/BTC-USD", "symbol/BTC-USD?receipt=1", "jobs", "jobs?new=1", "providers", "pipeline", "system", "sign-in"]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1440, 360]) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        await page.goto("about:blank");
        await page.goto(`${url}/#/${hash}`);
        await page.waitForTimeout(hash === "pipeline" ? 5000 : 1200);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
        for (const { id, impact, nodes } of violations) {
          const line = `${hash} ${colorScheme} ${width}: ${impact} ${id}: ${nodes.slice(0, 2).map(({ html, any }) => html.slice(0, 140) + " " + (any[0]?.message ?? "")).join(" | ")}`;
          if (["serious", "critical"].includes(impact)) found.push(line);
          else console.log(`  note  ${line}`);
        }
      }
    }
  }
  check(`no serious finding:\n  ${found.join("\n  ")}`, found.length === 0);
}
