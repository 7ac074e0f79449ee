// Signing in, keys and the audit trail: each with a service of its own, because a key closes it.

import { check, isLive } from "../support.mjs";
import { Service } from "../service.mjs";

export async function a_reader_signs_in_and_out({ page }) {
  let admin;
  const service = await Service.start({
    before: async (service) => (admin = (await service.run("keys", "--data-dir", service.directory, "create", "--role", "admin")).trim().split("\n").at(-1)),
  });
  try {
    await page.goto(`${service.url}/#/jobs`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.getByLabel("API key").fill("tkd_000000000000_wrong");
    const submit = page.getByRole("main").getByRole("button", { name: "Sign in" });
    await submit.click();
    await page.getByRole("alert").getByText("does not accept this key").waitFor();
    await page.getByLabel("API key").fill(admin);
    await submit.click();
    await page.getByRole("heading", { name: "Jobs" }).waitFor();
    await page.goto(`${service.url}/#/quotes`);
    await isLive(page);
    const kept = await page.evaluate((key) => ({
      session: sessionStorage.getItem("tickerd.key") === key,
      elsewhere: JSON.stringify({ ...localStorage }).includes(key) || document.cookie !== "",
    }), admin);
    check("the key is in session storage only", kept.session && !kept.elsewhere);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    check("the key is forgotten", await page.evaluate(() => sessionStorage.getItem("tickerd.key") === null));
  } finally {
    await service.end();
  }
}

export async function keys_are_created_revoked_and_audited({ page, context }) {
  const service = await Service.start();
  try {
    await page.goto(`${service.url}/#/system`);
    await page.getByRole("button", { name: "New key" }).click();
    await page.getByLabel("Name").fill("the desk");
    await page.getByLabel("Role").selectOption("admin");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    const key = (await page.locator("pre.secret").innerText()).trim();
    check(`a whole key is shown once: ${key.length} characters`, /^tkd_[^_]+_.{20,}$/.test(key));
    await page.getByRole("button", { name: "I have it" }).click();
    // The first key closes the door that was open to this machine, and this tab has it already.
    check("the door is closed", await fetch(`${service.url}/v1/keys`).then(({ status }) => status === 401));
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    const keys = page.getByRole("region", { name: "Table of keys" });
    await keys.getByRole("row", { name: /the desk/ }).getByText("valid").waitFor();
    await page.getByRole("button", { name: "New key" }).click();
    await page.getByLabel("Name").fill("a guest");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    const guestKey = (await page.locator("pre.secret").innerText()).trim();
    await page.getByRole("button", { name: "I have it" }).click();
    // Another tab knows nothing of this one's key.
    const guest = await context.newPage();
    await guest.goto(service.url);
    await guest.getByLabel("API key").fill(guestKey);
    await guest.getByRole("main").getByRole("button", { name: "Sign in" }).click();
    await isLive(guest);
    await page.getByRole("button", { name: "Revoke a guest" }).click();
    await page.getByRole("button", { name: "Revoke the key" }).click();
    await keys.getByRole("row", { name: /a guest/ }).getByText("revoked").waitFor();
    await guest.getByText("The key of this tab is not accepted any more").waitFor();
    const trail = page.getByRole("region", { name: "Audit trail" });
    for (const action of ["key.create", "key.revoke"]) await trail.getByText(action).first().waitFor();
    await page.getByText("chain fits").waitFor();
  } finally {
    await service.end();
  }
}
