// From ingest to average, and what was put aside.

import { check, until } from "../support.mjs";

const figure = (page, name) => page.locator(".figure", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd");

export async function the_pipeline_flows_from_ingest_to_average({ page, url }) {
  await page.goto(`${url}/#/pipeline`);
  for (const name of ["Ingest", "Relay", "Averages"]) {
    await until(`${name} has a rate`, async () => /[1-9]/.test(await figure(page, name).innerText()));
  }
  await until("the outbox is known", async () => /^\d/.test(await figure(page, "Outbox").innerText()));
  await page.locator(".operations-chart canvas").nth(1).waitFor();
}

export async function a_dead_letter_is_replayed_and_one_dropped({ page, url }) {
  await page.goto(`${url}/#/pipeline`);
  const letters = page.locator(".letters article");
  await letters.nth(1).waitFor();
  const first = letters.filter({ hasText: "price of BTC-USD" });
  await first.getByText("Original bytes and headers").click();
  check("markup in it is shown as text", await first.getByText("<b>45000</b>").isVisible());
  const name = await first.getAttribute("aria-label");
  await first.getByRole("button", { name: "Replay" }).click();
  await page.getByText(/goes through the pipeline again/).waitFor();
  await page.locator(`article[aria-label="${name}"]`).waitFor({ state: "detached" });
  // It can be worked on no better than before, so it is parked again and says so.
  await letters.filter({ hasText: "BTC-USD" }).getByText(/parked before/).waitFor();

  const second = letters.filter({ hasText: "EUR/USD" });
  const doomed = await second.getAttribute("aria-label");
  await second.getByRole("button", { name: "Drop" }).click();
  await page.getByRole("button", { name: "Drop it" }).click();
  await page.locator(`article[aria-label="${doomed}"]`).waitFor({ state: "detached" });
}
