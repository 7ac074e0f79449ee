import { describe, expect, it } from "vitest";
import { chainState } from "../src/lib/audit";
import { curl } from "../src/lib/curl";
import { parseMetrics, rate, read } from "../src/lib/metrics";
import { plan } from "../src/lib/plan";
import { matches, sortQuotes } from "../src/lib/sort";
import { classOf, normaliseSymbol, parseWatchlist, printWatchlist } from "../src/lib/watchlist";
import { href, parseRoute } from "../src/router";
import type { Job, Provider } from "../src/api/types";

const QUOTES = [
  { symbol: "B", price: "9.5", timestamp: "2026-11-21T08:00:02Z" },
  { symbol: "A", price: "10", timestamp: "2026-11-21T08:00:01Z" },
  { symbol: "D" },
  { symbol: "C", price: "10.0000000000000000001", timestamp: "2026-11-21T08:00:03Z" },
];
const order = (key: Parameters<typeof sortQuotes>[1], direction: "asc" | "desc") => sortQuotes(QUOTES, key, direction).map(({ symbol }) => symbol).join("");

describe("sorting and filtering", () => {
  it("sorts prices by exact value", () => expect(order("price", "asc")).toBe("BACD"));
  it("keeps rows without a value last both ways", () => expect(order("price", "desc")).toBe("CABD"));
  it("puts the youngest first by age", () => expect(order("age", "asc")).toBe("CBAD"));
  it("sorts symbols as text", () => expect(order("symbol", "desc")).toBe("DCBA"));
  it("keeps the reader's order", () => expect(order("list", "asc")).toBe("BADC"));
  it("matches every word, in any field", () => {
    expect(matches("yahoo aa", "AAPL", "yahoo", "")).toBe(true);
    expect(matches("kraken aa", "AAPL", "yahoo", null)).toBe(false);
  });
});

describe("the watchlist as text", () => {
  it("comes back as it was written", () => {
    const { entries } = parseWatchlist("aapl\n# Tech\nMSFT, nvda\n\n# Coins\nBTC-USD AAPL");
    expect(entries.map(({ symbol, group }) => `${group}:${symbol}`)).toEqual([":AAPL", "Tech:MSFT", "Tech:NVDA", "Coins:BTC-USD"]);
    expect(parseWatchlist(printWatchlist(entries)).entries).toEqual(entries);
  });
  it("does not let an ungrouped symbol slip into a group", () => {
    const entries = [{ symbol: "MSFT", group: "Tech" }, { symbol: "AAPL", group: "" }];
    expect(parseWatchlist(printWatchlist(entries)).entries).toContainEqual({ symbol: "AAPL", group: "" });
  });
  it("names what is no symbol", () => expect(parseWatchlist("AAPL äöü $$$").rejected).toEqual(["äöü", "$$$"]));
  it("accepts the symbols of the contract", () => expect(["brk.b", "eur/usd", "^gspc", "EURUSD=X", "a".repeat(33), ""].map(normaliseSymbol)).toEqual(["BRK.B", "EUR/USD", "^GSPC", "EURUSD=X", undefined, undefined]));
  it("guesses the class from the spelling", () => expect(["AAPL", "BTC-USD", "EUR/USD", "^GSPC"].map(classOf)).toEqual(["Stocks", "Crypto", "Forex", "Other"]));
});

describe("routes", () => {
  it("hold a symbol with a slash and the view", () => {
    const link = href("symbol", "EUR/USD", { interval: "1h", ma: undefined });
    expect(link).toBe("#/symbol/EUR%2FUSD?interval=1h");
    expect(parseRoute(link)).toEqual({ page: "symbol", param: "EUR/USD", query: { interval: "1h" } });
  });
  it("begin at the quotes", () => expect(parseRoute("")).toMatchObject({ page: "quotes", param: undefined }));
  it("survive a broken escape", () => expect(parseRoute("#/symbol/%E0%A4%A").param).toBe("%E0%A4%A"));
});

describe("metrics", () => {
  const at = (millis: number, text: string) => ({ at: millis, sample: parseMetrics(text) });
  const TEXT = '# HELP x y\ntickerd_prices_stored_total{provider="a}b"} 10\ntickerd_prices_stored_total{provider="c"} 5\ntickerd_prices_duplicate_total 2\ntickerd_outbox_depth 7\nodd NaN\n';
  it("sums over labels", () => expect([read(parseMetrics(TEXT), "ingested"), read(parseMetrics(TEXT), "duplicates"), read(parseMetrics(TEXT), "outbox"), read(parseMetrics(TEXT), "lag")]).toEqual([15, 2, 7, undefined]));
  it("gives a rate per second", () => expect(rate("outbox", at(0, "tickerd_outbox_depth 1"), at(2000, "tickerd_outbox_depth 9"))).toBe(4));
  it("gives no rate over a restart", () => expect(rate("averages", at(0, "tickerd_averages_stored_total 50"), at(2000, "tickerd_averages_stored_total 3"))).toBeUndefined());
});

describe("the plan against budgets", () => {
  const job = (config: Job["config"], status: Job["status"] = "active") => ({ config, status }) as Job;
  const providers = [{ name: "finnhub", batch_size: 2, budgets: [{ window: "minute", limit: 60, remaining: 1 }] }] as Provider[];
  it("counts calls, not symbols, and leaves out what is paused or elsewhere", () => {
    const jobs = [
      job({ symbols: ["A", "B", "C"], interval: 30, provider: "finnhub" }), job({ symbols: ["A"], interval: 1, provider: "finnhub" }, "paused"),
      job({ symbols: ["A"], interval: 1 }), job({ symbols: ["A"], cron: "* * * * *", provider: "finnhub" }),
    ];
    expect(plan(jobs, providers)).toEqual([{ provider: "finnhub", window: "minute", calls: 4, limit: 60 }]);
  });
});

describe("the audit chain", () => {
  const entry = (sequence: number, hash: string, previous_hash: string) => ({ sequence, hash, previous_hash, at: "", actor: "", action: "", outcome: "" });
  it("fits when each names the one before, newest first or not", () => expect(chainState([entry(3, "c", "b"), entry(2, "b", "a")])).toEqual({ name: "linked", count: 2 }));
  it("is broken by a changed or a missing entry", () => {
    expect(chainState([entry(2, "b", "a"), entry(3, "c", "x")])).toEqual({ name: "broken", at: 3 });
    expect(chainState([entry(2, "b", "a"), entry(4, "c", "b")])).toEqual({ name: "broken", at: 4 });
  });
  it("is unknown without hashes", () => expect(chainState([])).toEqual({ name: "unknown" }));
});

describe("copy as curl", () => {
  it("names a variable, never a key", () => expect(curl("http://h", "/p?symbol=A", { withKey: true })).toBe(`curl -s -H "Authorization: Bearer $TICKERD_KEY" 'http://h/p?symbol=A'`));
});
