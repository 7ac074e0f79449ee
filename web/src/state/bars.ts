// Bars. Those of the last day, for sparklines, are asked for a few at a time, because a long
// watchlist would otherwise spend the reader's whole rate limit at once.

import { signal, type Signal } from "@preact/signals";
import { api, ask } from "../api/client";
import type { Bar } from "../api/types";
import type { Interval } from "../lib/candles";
import { toPixels } from "../lib/decimal";
import { startDay } from "./quotes";

/** The last `limit` bars, or with `from` the first ones after it; oldest first either way. */
export async function loadBars(symbol: string, query: { interval: Interval; limit: number; from?: string }): Promise<readonly Bar[]> {
  const { bars } = await ask(`load the bars of ${symbol}`, api.GET("/v1/bars/{symbol}", { params: { path: { symbol }, query } }));
  return bars;
}

/** A young store has few long bars of the last day: then short ones say more. */
async function barsOfDay(symbol: string): Promise<readonly Bar[]> {
  const from = new Date(Date.now() - 86_400_000).toISOString();
  const bars = await loadBars(symbol, { interval: "15m", limit: 100, from });
  return bars.length > 12 ? bars : loadBars(symbol, { interval: "1m", limit: 200, from });
}

const AT_ONCE = 3;
const queue: (() => Promise<void>)[] = [];
let nRunning = 0;

const days = new Map<string, Signal<readonly number[]>>();

/** The closes of the last day; empty until somebody has asked for them with `wantDay`. */
export function dayOf(symbol: string): Signal<readonly number[]> {
  let day = days.get(symbol);
  if (!day) {
    day = signal([]);
    days.set(symbol, day);
  }
  return day;
}

/** Loads the day of a symbol, unless it is there; its first price is what changes are counted from where no provider says. */
export function wantDay(symbol: string): void {
  const day = dayOf(symbol);
  if (day.peek().length > 0) return;
  queue.push(async () => {
    const bars = await barsOfDay(symbol).catch(() => []);
    const [first] = bars;
    if (!first) return;
    day.value = bars.map((bar) => toPixels(bar.close));
    startDay(symbol, { price: first.open, timestamp: first.timestamp });
  });
  pump();
}

function pump(): void {
  while (nRunning < AT_ONCE && queue.length > 0) {
    nRunning += 1;
    void queue.shift()!().finally(() => {
      nRunning -= 1;
      pump();
    });
  }
}
