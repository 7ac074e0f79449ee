// Bars, and the closes of the last day for sparklines: at most a few requests at a time, because a
// long watchlist would otherwise spend the reader's whole rate limit at once.

import { api, ask } from "../api/client";
import type { Bar } from "../api/types";
import { toPixels } from "../lib/decimal";

export async function loadBars(symbol: string, interval: string, from: Date): Promise<Bar[]> {
  const query = { interval, from: from.toISOString().replace(/\.\d+/, "") };
  const answer = await ask(`load the bars of ${symbol}`, api.GET("/v1/bars/{symbol}", { params: { path: { symbol }, query } }));
  const bars = Array.isArray(answer) ? answer : answer.bars;
  return [...bars].sort((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
}

const AT_ONCE = 3;
const queue: (() => Promise<void>)[] = [];
let nRunning = 0;

export function closesOfDay(symbol: string): Promise<number[]> {
  return new Promise((resolve, reject) => {
    queue.push(() => loadBars(symbol, "15m", new Date(Date.now() - 86_400_000)).then((bars) => resolve(bars.map((bar) => toPixels(bar.close))), reject));
    pump();
  });
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
