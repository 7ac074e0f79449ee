import { describe, expect, it } from "vitest";
import { averagePoints, fromBar, grow } from "../src/lib/candles";
import { afterMessage, countedFrom, fromSnapshot } from "../src/state/quotes";
import type { PriceMessage } from "../src/api/types";

const snapshot = fromSnapshot({ symbol: "A", price: "101.5", change: "1.5", percent_change: "1.5", source: "yahoo", timestamp: "2026-11-21T08:00:10Z", currency: "USD", stale: true });
const message = (price: string, timestamp: string): PriceMessage => ({ kind: "price.recorded", symbol: "A", price, timestamp, provider: "kraken", currency: "USD", received_at: timestamp, price_id: 1 });

describe("a quote that prices move", () => {
  it("counts changes from the snapshot's reference, exactly", () => {
    const after = afterMessage(snapshot, message("100.1", "2026-11-21T08:00:11Z"))!;
    expect(after).toMatchObject({ price: "100.1", change: "0.1", percent_change: "0.10", provider: "kraken", stale: false, moved: -1, ticks: 1 });
  });
  it("is not moved by a price observed earlier", () => expect(afterMessage(snapshot, message("90", "2026-11-21T08:00:09Z"))).toBe(snapshot));
  it("does not flash when the price is the same", () => expect(afterMessage(snapshot, message("101.50", "2026-11-21T08:00:11Z"))!.ticks).toBe(0));
  it("counts from the day's first price only where no provider said from what", () => {
    const first = { price: "4", timestamp: "2026-11-21T07:00:00Z" };
    const unsaid = afterMessage(undefined, message("5", "2026-11-21T08:00:11Z"))!;
    const counted = countedFrom(unsaid, first);
    expect(counted).toMatchObject({ change: "1", percent_change: "25.00", since: first.timestamp });
    expect(afterMessage(counted, message("6", "2026-11-21T08:00:12Z"))).toMatchObject({ change: "2", since: first.timestamp });
    expect(countedFrom(snapshot, first)).toBe(snapshot);
  });
  it("has no change without a reference", () => expect(afterMessage(undefined, message("5", "2026-11-21T08:00:11Z"))).toMatchObject({ change: null, percent_change: null }));
  it("never shows fewer places than before", () => expect(afterMessage(afterMessage(snapshot, message("1.2345", "2026-11-21T08:00:11Z")), message("1.2", "2026-11-21T08:00:12Z"))!.places).toBe(4));
});

describe("a candle that prices grow", () => {
  const bar = fromBar({ timestamp: "2026-11-21T08:00:00Z", open: "10", high: "12", low: "9", close: "11", volume: null, count: 4, provisional: false });
  const at = (time: string) => Date.parse(`2026-11-21T${time}Z`);
  it("widens and closes", () => expect(grow(bar, "12.50", at("08:00:30"), "1m")).toMatchObject({ open: "10", high: "12.50", low: "9", close: "12.50" }));
  it("opens the next bar", () => expect(grow(bar, "8", at("08:01:00"), "1m")).toMatchObject({ time: at("08:01:00") / 1000, open: "8", close: "8" }));
  it("is not closed by a late price", () => {
    const later = grow(bar, "11.5", at("08:00:40"), "1m");
    expect(grow(later, "8", at("08:00:20"), "1m")).toMatchObject({ low: "8", close: "11.5" });
  });
  it("leaves an older bar to the service", () => expect(grow(bar, "8", at("07:59:59"), "1m")).toBeUndefined());
  it("draws the last average of each bar, ascending", () => {
    const averages = [["08:01:10", "3"], ["08:00:10", "1"], ["08:00:50", "2"]].map(([time, moving_average]) => ({ timestamp: `2026-11-21T${time}Z`, moving_average: moving_average! }));
    expect(averagePoints(averages, "1m")).toEqual([{ time: at("08:00:00") / 1000, value: 2 }, { time: at("08:01:00") / 1000, value: 3 }]);
  });
});
