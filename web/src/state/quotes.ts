// What is known of each watched symbol: one signal per symbol, so that a price redraws one row.

import { signal, type Signal } from "@preact/signals";
import { api, ask } from "../api/client";
import type { PriceMessage, Quote } from "../api/types";
import { compare, percentOf, places, round, subtract, type Decimal } from "../lib/decimal";
import { instant } from "../lib/time";
import { sawProvider } from "./system";

export interface LiveQuote {
  symbol: string;
  price: Decimal;
  change: Decimal | null;
  percent_change: Decimal | null;
  currency: string;
  provider: string;
  timestamp: string;
  stale: boolean;
  /** The price that changes are counted from: the snapshot's price less its change. */
  reference: Decimal | null;
  /** When the reference was observed, where it is the day's first stored price for want of a better one. */
  since: string | null;
  /** The direction of the last move, and how many moves there were: what the flash follows. */
  moved: -1 | 0 | 1;
  ticks: number;
  /** Decimal places to show: the most that any price of the symbol had, so that figures do not jump. */
  places: number;
}

export interface QuoteCell {
  symbol: string;
  quote: Signal<LiveQuote | undefined>;
  failure: Signal<string | undefined>;
}

const cells = new Map<string, QuoteCell>();

export function cellOf(symbol: string): QuoteCell {
  let cell = cells.get(symbol);
  if (!cell) {
    cell = { symbol, quote: signal(undefined), failure: signal(undefined) };
    cells.set(symbol, cell);
  }
  return cell;
}

export function fromSnapshot(quote: Quote): LiveQuote {
  const { symbol, price, change, percent_change, currency, source, timestamp, stale } = quote;
  const reference = change == null ? null : subtract(price, change);
  return { symbol, price, change: change ?? null, percent_change: percent_change == null ? null : round(percent_change, 2), currency, provider: source, timestamp, stale, reference, since: null, moved: 0, ticks: 0, places: Math.max(2, places(price)) };
}

/** The quote after a message; a price observed earlier than the shown one changes nothing. */
export function afterMessage(before: LiveQuote | undefined, message: PriceMessage): LiveQuote | undefined {
  if (before && instant(message.timestamp) < instant(before.timestamp)) return before;
  const { symbol, price, timestamp, provider, currency } = message;
  const reference = before?.reference ?? null;
  const moved = before ? compare(price, before.price) : 0;
  return {
    symbol, price, timestamp, provider, currency, ...moveFrom(reference, price), since: before?.since ?? null,
    stale: false, moved: moved || (before?.moved ?? 0), ticks: (before?.ticks ?? 0) + (moved === 0 ? 0 : 1),
    places: Math.max(before?.places ?? 2, places(price)),
  };
}

function moveFrom(reference: Decimal | null, price: Decimal) {
  const change = reference === null ? null : subtract(price, reference);
  return { reference, change, percent_change: change === null ? null : (percentOf(change, reference!) ?? null) };
}

interface FirstPrice {
  price: Decimal;
  timestamp: string;
}

/** The first stored price of the last day, where it is known. */
const dayStarts = new Map<string, FirstPrice>();

/** The quote with changes counted from the day's first stored price, unless a provider said better. */
export function countedFrom(quote: LiveQuote, first: FirstPrice | undefined): LiveQuote {
  if (!first || (quote.reference !== null && quote.since === null)) return quote;
  return { ...quote, ...moveFrom(first.price, quote.price), since: first.timestamp };
}

export function startDay(symbol: string, first: FirstPrice): void {
  dayStarts.set(symbol, first);
  const { quote } = cellOf(symbol);
  if (quote.value) quote.value = countedFrom(quote.value, first);
}

export function applyPrice(message: PriceMessage): void {
  const cell = cellOf(message.symbol);
  const before = cell.quote.peek();
  const after = afterMessage(before, message);
  cell.quote.value = before || !after ? after : countedFrom(after, dayStarts.get(message.symbol));
  cell.failure.value = undefined;
  sawProvider(message.provider);
}

const QUOTES_A_REQUEST = 200;

export async function loadQuotes(symbols: readonly string[]): Promise<void> {
  for (let start = 0; start < symbols.length; start += QUOTES_A_REQUEST) {
    const some = symbols.slice(start, start + QUOTES_A_REQUEST);
    const query = { symbols: some.join(",") };
    const { quotes, errors } = await ask("load quotes", api.GET("/v1/quotes", { params: { query } }));
    for (const quote of quotes) applySnapshot(quote);
    for (const { symbol, detail, code } of errors ?? []) cellOf(symbol).failure.value = detail || code;
  }
}

function applySnapshot(quote: Quote): void {
  const cell = cellOf(quote.symbol);
  const shown = cell.quote.peek();
  const fresh = countedFrom(fromSnapshot(quote), dayStarts.get(quote.symbol));
  // The stream may have been faster: then only the reference of its changes was missing.
  if (shown && instant(shown.timestamp) > instant(fresh.timestamp)) {
    const { symbol, price, timestamp, provider, currency } = shown;
    const message: PriceMessage = { kind: "price.recorded", symbol, price, timestamp, provider, currency, received_at: timestamp, price_id: 0 };
    cell.quote.value = afterMessage(fresh, message);
  } else {
    cell.quote.value = shown ? { ...fresh, moved: shown.moved, ticks: shown.ticks, places: Math.max(shown.places, fresh.places) } : fresh;
  }
  cell.failure.value = undefined;
  sawProvider(quote.source);
}
