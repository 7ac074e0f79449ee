// The stream under an open page, when the network or the service goes away.

import { check, isLive, until } from "../support.mjs";

export async function losing_the_network_is_said_and_mended({ page, context, url }) {
  await page.goto(url);
  await isLive(page);
  await context.setOffline(true);
  await page.locator(".top .state", { hasText: "Offline" }).waitFor();
  await context.setOffline(false);
  await isLive(page);
}

export async function a_killed_and_restarted_service_leaves_no_gap({ page, service, url }) {
  await page.addInitScript(recordStream);
  await page.goto(url);
  await isLive(page);
  const seen = () => page.evaluate(() => window.stream.ids);
  await until("messages arrive", async () => (await seen()).length > 10);
  await service.kill();
  await page.locator(".top .state", { hasText: /Lost|Connecting/ }).waitFor();
  await service.start();
  await isLive(page);
  const resumedAfter = await until("the page resumes", () => page.evaluate(() => window.stream.resumedAfter[0]));
  await until("messages follow", async () => (await seen()).filter((id) => Number(id) > Number(resumedAfter)).length > 10);
  const ids = await seen();
  const asked = await page.evaluate(() => window.stream.url);
  const stored = await idsOfLog(`${url}${asked}`, Number(ids[0]) - 1, Number(ids.at(-1)));
  check(`the page saw every message once and in order:\n  ${ids}\n  ${stored}`, ids.join() === stored.join());
}

/** The ids behind `since` up to `last`, as the service's log has them. */
async function idsOfLog(url, since, last) {
  const { body } = await fetch(url, { headers: { "Last-Event-ID": String(since) } });
  const ids = [];
  let text = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) if (/^data:/m.test(block)) ids.push(/^id: (\d+)$/m.exec(block)[1]);
    if (Number(ids.at(-1)) >= last) break;
  }
  return ids.filter((id) => Number(id) <= last);
}

/** Runs in the page: keeps the id of every message and every position that it asks to resume from. */
function recordStream() {
  const stream = (window.stream = { ids: [], resumedAfter: [], url: undefined });
  const real = window.fetch;
  window.fetch = async (...request) => {
    const response = await real(...request);
    if (!String(request[0]).startsWith("/v1/stream") || !response.ok) return response;
    stream.url = String(request[0]);
    const resumed = new Headers(request[1]?.headers).get("Last-Event-ID");
    if (resumed) stream.resumedAfter.push(resumed);
    const decoder = new TextDecoder();
    let rest = "";
    const recorded = response.body.pipeThrough(new TransformStream({
      transform(chunk, controller) {
        rest += decoder.decode(chunk, { stream: true });
        const blocks = rest.split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) if (/^data:/m.test(block)) stream.ids.push(/^id: (\d+)$/m.exec(block)[1]);
        controller.enqueue(chunk);
      },
    }));
    return new Response(recorded, response);
  };
}
