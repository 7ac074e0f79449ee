// Candles that live prices grow, with their exact texts beside the floats that are drawn.

import type { Bar } from "../api/types";
import { compare, toPixels, type Decimal } from "./decimal";

export const INTERVALS = { "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14_400, "12h": 43_200, "1d": 86_400 } as const;
export type Interval = keyof typeof INTERVALS;

export interface Candle {
  /** Start of the bar in seconds since 1970, UTC. */
  time: number;
  open: Decimal;
  high: Decimal;
  low: Decimal;
  close: Decimal;
  /** When the close was observed, in milliseconds: an older price may widen the bar, not close it. */
  closedAt: number;
}

export function fromBar(bar: Bar): Candle {
  const time = Math.floor(Date.parse(bar.timestamp) / 1000);
  const { open, high, low, close } = bar;
  return { time, open, high, low, close, closedAt: time * 1000 };
}

export function barStart(millis: number, interval: Interval): number {
  const secs = INTERVALS[interval];
  return Math.floor(millis / 1000 / secs) * secs;
}

/**
 * The last candle after a price, or a new one when the price opens it. Undefined when the price
 * belongs to an older bar, which must then be read from the service again.
 */
export function grow(last: Candle | undefined, price: Decimal, observedMs: number, interval: Interval): Candle | undefined {
  const time = barStart(observedMs, interval);
  if (!last || time > last.time) return { time, open: price, high: price, low: price, close: price, closedAt: observedMs };
  if (time < last.time) return undefined;
  const closes = observedMs >= last.closedAt;
  return {
    ...last,
    high: compare(price, last.high) > 0 ? price : last.high,
    low: compare(price, last.low) < 0 ? price : last.low,
    close: closes ? price : last.close,
    closedAt: closes ? observedMs : last.closedAt,
  };
}

export const drawn = ({ time, open, high, low, close }: Candle) => ({ time, open: toPixels(open), high: toPixels(high), low: toPixels(low), close: toPixels(close) });

/** The last average in each bar, ascending: a chart has one point a time. */
export function averagePoints(averages: readonly { timestamp: string; moving_average: Decimal }[], interval: Interval): { time: number; value: number }[] {
  const ascending = averages.map((average) => ({ at: Date.parse(average.timestamp), value: toPixels(average.moving_average) })).sort((a, b) => a.at - b.at);
  const byBar = new Map<number, number>();
  for (const { at, value } of ascending) byBar.set(barStart(at, interval), value);
  return [...byBar].map(([time, value]) => ({ time, value }));
}
