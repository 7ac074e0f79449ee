// The watchlist as text, one symbol a line, `# name` starting a group: what the edit dialog shows,
// what the browser keeps, and what one reader can paste to another.

export interface WatchEntry {
  symbol: string;
  group: string;
}

const SYMBOL = /^[A-Z0-9.\-/^=]{1,32}$/;

export function normaliseSymbol(text: string): string | undefined {
  const symbol = text.trim().toUpperCase();
  return SYMBOL.test(symbol) ? symbol : undefined;
}

export function parseWatchlist(text: string): { entries: WatchEntry[]; rejected: string[] } {
  const entries: WatchEntry[] = [];
  const rejected: string[] = [];
  const seen = new Set<string>();
  let group = "";
  for (const line of text.split("\n")) {
    if (line.trim().startsWith("#")) {
      group = line.trim().slice(1).trim();
      continue;
    }
    for (const word of line.split(/[\s,;]+/).filter(Boolean)) {
      const symbol = normaliseSymbol(word);
      if (!symbol) rejected.push(word);
      else if (!seen.has(symbol)) {
        seen.add(symbol);
        entries.push({ symbol, group });
      }
    }
  }
  return { entries, rejected };
}

export function printWatchlist(entries: readonly WatchEntry[]): string {
  const groups = new Map<string, string[]>();
  for (const { symbol, group } of entries) groups.set(group, [...(groups.get(group) ?? []), symbol]);
  // Ungrouped symbols must come first: a heading applies to all that follows it.
  const names = [...groups.keys()].sort((a, b) => Number(a !== "") - Number(b !== ""));
  return names.map((name) => (name ? `# ${name}\n` : "") + groups.get(name)!.join("\n")).join("\n\n");
}

export type AssetClass = "Stocks" | "Crypto" | "Forex" | "Other";

/** A guess from the spelling alone, for grouping only. */
export function classOf(symbol: string): AssetClass {
  if (/^[A-Z]{3}\/[A-Z]{3}$/.test(symbol)) return "Forex";
  if (/^[A-Z0-9]{2,10}-(USD|EUR|GBP|JPY|BTC|ETH|USDT|USDC|CHF)$/.test(symbol)) return "Crypto";
  if (/^[A-Z0-9.\-]{1,12}$/.test(symbol)) return "Stocks";
  return "Other";
}
