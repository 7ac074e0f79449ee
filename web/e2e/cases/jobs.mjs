// Jobs and providers.

import { check, until } from "../support.mjs";

export async function a_job_is_created_run_paused_and_deleted({ page, url }) {
  await page.goto(`${url}/#/jobs`);
  const name = `e2e ${Date.now()}`;
  await page.getByRole("button", { name: "New job" }).click();
  await page.getByLabel("Symbols").fill("AAPL, BTC-USD");
  await page.getByRole("spinbutton", { name: "Seconds" }).fill("3600");
  await page.getByLabel("Name, if you like").fill(name);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  const card = page.locator("article", { hasText: name });
  await card.waitFor();
  await card.getByRole("button", { name: "Run now" }).click();
  await page.getByText("Polled AAPL, BTC-USD.").waitFor();
  await card.getByRole("button", { name: "Pause" }).click();
  await card.getByText("paused").waitFor();
  await card.getByRole("button", { name: "Resume" }).click();
  await card.getByRole("button", { name: "Pause" }).waitFor();
  await card.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete the job" }).click();
  await card.waitFor({ state: "detached" });
}

export async function a_job_shows_how_its_runs_went({ page, url }) {
  await page.goto(`${url}/#/jobs?new=1`);
  const name = `often ${Date.now()}`;
  await page.getByLabel("Symbols").fill("ETH-USD");
  await page.getByRole("spinbutton", { name: "Seconds" }).fill("1");
  await page.getByLabel("Name, if you like").fill(name);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  const card = page.locator("article", { hasText: name });
  await card.getByText(/100% of \d/).waitFor();
  await until("points are counted", async () => /Points\s*[1-9]/.test(await card.innerText()));
  await card.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete the job" }).click();
  await card.waitFor({ state: "detached" });
}

export async function what_the_service_refuses_is_said_in_words({ page, url }) {
  await page.goto(`${url}/#/jobs?new=1`);
  await page.getByLabel("Symbols").fill("AAPL");
  await page.getByLabel("Schedule").selectOption("cron");
  await page.getByRole("textbox", { name: "Cron" }).fill("whenever it suits");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("alert").getByText(/cron/i).waitFor();
}

export async function markup_in_a_name_is_shown_as_text({ page, url }) {
  const name = "<img src=x onerror=alert(1)>";
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ symbols: ["AAPL"], interval: 3600, name });
  const made = await fetch(`${url}/prices/poll`, { method: "POST", headers, body }).then((answer) => answer.json());
  await page.goto(`${url}/#/jobs`);
  await page.getByRole("heading", { name }).waitFor();
  await page.goto(`${url}/#/symbol/${encodeURIComponent(name)}`);
  await page.getByText(`“${name}” cannot be one`).waitFor();
  check("no element came of it", (await page.locator("img").count()) === 0);
  await fetch(`${url}/prices/poll/${made.job_id}`, { method: "DELETE" });
}
