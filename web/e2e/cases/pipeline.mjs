// From ingest to average, and what was put aside.

import { until } from "../support.mjs";

const figure = (page, name) => page.locator(".figure", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd");

export async function the_pipeline_flows_from_ingest_to_average({ page, url }) {
  await page.goto(`${url}/#/pipeline`);
  for (const name of ["Ingest", "Relay", "Averages"]) {
    await until(`${name} has a rate`, async () => /[1-9]/.test(await figure(page, name).innerText()));
  }
  await until("the outbox is known", async () => /^\d/.test(await figure(page, "Outbox").innerText()));
  await page.locator(".operations-chart canvas").nth(1).waitFor();
}
