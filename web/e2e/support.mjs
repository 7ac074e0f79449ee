// A browser to test with, and ways to wait for something without waiting for a time.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.TICKERD_E2E_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

/** How long anything may take before it counts as not happening. The machine may be slow and shared. */
export const PATIENCE_MS = 60_000;

export function openBrowser() {
  if (!existsSync(CHROMIUM)) throw new Error(`there is no Chromium at ${CHROMIUM}: apt-get install chromium, or set TICKERD_E2E_CHROMIUM`);
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: PATIENCE_MS });
}

/** Resolves with what `condition` answers as soon as that is true. */
export async function until(what, condition, millis = PATIENCE_MS) {
  const deadline = Date.now() + millis;
  while (Date.now() < deadline) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited ${millis / 1000} s in vain until ${what}`);
}

export function check(what, truth) {
  if (!truth) throw new Error(`not so: ${what}`);
}

/** Waits for the page to follow the stream. */
export const isLive = (page) => page.locator(".top .state", { hasText: "Live" }).waitFor();
