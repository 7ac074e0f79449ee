// A service to test against and a browser to test with.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { createMock } from "../mock/server.mjs";

const CHROMIUM = process.env.TICKERD_E2E_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Undefined, with a printed reason, where there is no browser; a failure where one is required. */
export async function openBrowser() {
  if (existsSync(CHROMIUM)) return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const reason = `no Chromium at ${CHROMIUM}`;
  if (process.env.TICKERD_TEST_REQUIRE) throw new Error(`${reason}, and TICKERD_TEST_REQUIRE is set`);
  console.log(`skipped: ${reason} (apt-get install chromium, or set TICKERD_E2E_CHROMIUM)`);
  return undefined;
}

/**
 * The service under test: a base URL and, where we may, a way to kill it and start it again.
 *
 * - TICKERD_E2E_URL and TICKERD_E2E_COMMAND: we run the command, which serves that URL.
 * - TICKERD_E2E_URL alone: a running service; it is not ours to kill.
 * - neither: the mock.
 */
export async function startService(options) {
  const { TICKERD_E2E_URL: url, TICKERD_E2E_COMMAND: command } = process.env;
  if (!url) return mockService(options);
  if (!command) return { name: url, url: url.replace(/\/$/, ""), stop: undefined, start: undefined, end: async () => {} };
  const base = url.replace(/\/$/, "");
  let child;
  const start = async () => {
    // `exec`, so that the child is the service itself and the kill reaches it.
    child = spawn(`exec ${command}`, { shell: true, stdio: "ignore" });
    await until("the service answers", () => fetch(`${base}/health`).then((response) => response.ok, () => false), 20_000);
  };
  const stop = () => new Promise((resolve) => (child.once("exit", resolve), child.kill("SIGKILL")));
  await start();
  return { name: command, url: base, start, stop, end: stop };
}

async function mockService(options) {
  const mock = createMock({ perSecond: 2, ...options });
  const port = await mock.start();
  return { name: "the mock", url: `http://127.0.0.1:${port}`, mock, start: () => mock.start(port), stop: mock.stop, end: mock.end };
}

export async function until(what, condition, millis = 10_000) {
  const deadline = Date.now() + millis;
  while (Date.now() < deadline) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited ${millis} ms in vain until ${what}`);
}

export function check(what, truth) {
  if (!truth) throw new Error(`not so: ${what}`);
}
