// A provider that fails: its breaker opens, counts down, and is closed by hand.

import { createServer } from "node:http";
import { check, until } from "../support.mjs";
import { Service } from "../service.mjs";

export async function an_open_breaker_counts_down_and_is_reset({ page }) {
  const broken = createServer((_, response) => response.writeHead(500).end("out of order"));
  await new Promise((resolve) => broken.listen(0, "127.0.0.1", resolve));
  const settings = {
    TICKERD_BREAKER__FAILURES: "1",
    TICKERD_PROVIDERS__KRAKEN__BASE_URL: `http://127.0.0.1:${broken.address().port}`,
    TICKERD_PROVIDERS__YAHOO__ENABLED: "false",
    TICKERD_PROVIDERS__COINGECKO__ENABLED: "false",
    TICKERD_FETCH__ASSET_LIST_INTERVAL: "1000d",
  };
  const service = await Service.start({ args: [], settings });
  try {
    await page.goto(`${service.url}/#/providers`);
    const kraken = page.getByRole("article", { name: "Provider kraken" });
    await kraken.waitFor();
    await fetch(`${service.url}/poll/BTC-USD?provider=kraken`, { method: "POST" });
    const state = kraken.getByText(/breaker open, probe in/);
    await state.waitFor();
    const left = async () => /(\d+):(\d\d)/.exec(await state.innerText()).slice(1).reduce((minutes, part) => minutes * 60 + Number(part), 0);
    const first = await left();
    // The page's clock beats once a second, so it may be a second behind.
    check(`some of five minutes are left: ${first} s`, first > 0 && first <= 301);
    await until("it counts down", async () => (await left()) < first);
    await kraken.getByText("Last error.").waitFor();
    check("no other page is in demo mode", (await page.getByText("Demo mode.").count()) === 0);
    await kraken.getByRole("button", { name: "Close the breaker" }).click();
    await kraken.getByText("breaker closed").waitFor();
  } finally {
    broken.close();
    await service.end();
  }
}
