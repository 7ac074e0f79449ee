// Sorting and filtering of the watchlist. Rows without a value sort last whichever way the sort
// runs, because they are what the reader looks for least.

import { compare, type Decimal } from "./decimal";
import { instant } from "./time";

export interface SortableQuote {
  symbol: string;
  price?: Decimal | null;
  change?: Decimal | null;
  percent_change?: Decimal | null;
  timestamp?: string | null;
  provider?: string | null;
}

export const SORT_KEYS = ["list", "symbol", "price", "change", "percent", "age", "provider"] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export type Direction = "asc" | "desc";

type Comparison = (a: SortableQuote, b: SortableQuote) => number;

function byDecimal(of: (quote: SortableQuote) => Decimal | null | undefined, direction: Direction): Comparison {
  return (a, b) => missingLast(of(a), of(b), (x, y) => oriented(compare(x, y), direction));
}

function byText(of: (quote: SortableQuote) => string | null | undefined, direction: Direction): Comparison {
  return (a, b) => missingLast(of(a), of(b), (x, y) => oriented(x < y ? -1 : x > y ? 1 : 0, direction));
}

function missingLast<T>(a: T | null | undefined, b: T | null | undefined, both: (a: T, b: T) => number): number {
  if (a == null || b == null) return Number(a == null) - Number(b == null);
  return both(a, b);
}

const oriented = (order: number, direction: Direction) => (direction === "asc" ? order : -order);

const comparisons: Record<Exclude<SortKey, "list">, (direction: Direction) => Comparison> = {
  symbol: (direction) => byText((quote) => quote.symbol, direction),
  price: (direction) => byDecimal((quote) => quote.price, direction),
  change: (direction) => byDecimal((quote) => quote.change, direction),
  percent: (direction) => byDecimal((quote) => quote.percent_change, direction),
  provider: (direction) => byText((quote) => quote.provider, direction),
  // The youngest has the latest time, so ascending age is descending time.
  age: (direction) => (a, b) =>
    missingLast(a.timestamp, b.timestamp, (x, y) => oriented(instant(y) - instant(x), direction)),
};

/** Stable; `list` keeps the reader's own order. */
export function sortQuotes<T extends SortableQuote>(quotes: readonly T[], key: SortKey, direction: Direction): T[] {
  if (key === "list") return direction === "asc" ? [...quotes] : [...quotes].reverse();
  return [...quotes].sort(comparisons[key](direction));
}

/** Every word must occur in the symbol, the provider or the group. */
export function matches(words: string, ...fields: (string | null | undefined)[]): boolean {
  const text = fields.join(" ").toUpperCase();
  return words.toUpperCase().split(/\s+/).every((word) => text.includes(word));
}
