// What is known of each watched symbol: one signal per symbol, so that a price redraws one row.

import { signal, type Signal } from "@preact/signals";
import { api, ask } from "../api/client";
import type { PriceMessage, Quote } from "../api/types";
import { compare, percentOf, places, subtract, type Decimal } from "../lib/decimal";
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
  return { symbol, price, change, percent_change, currency, provider: source, timestamp, stale, reference, moved: 0, ticks: 0, places: Math.max(2, places(price)) };
}

/** The quote after a message; a price observed earlier than the shown one changes nothing. */
export function afterMessage(before: LiveQuote | undefined, message: PriceMessage): LiveQuote | undefined {
  if (before && instant(message.timestamp) < instant(before.timestamp)) return before;
  const { symbol, price, timestamp, provider, currency } = message;
  const reference = before?.reference ?? null;
  const change = reference === null ? null : subtract(price, reference);
  const percent = change === null ? null : (percentOf(change, reference!) ?? null);
  const moved = before ? compare(price, before.price) : 0;
  return {
    symbol, price, timestamp, provider, currency, reference, change, percent_change: percent,
    stale: false, moved: moved || (before?.moved ?? 0), ticks: (before?.ticks ?? 0) + (moved === 0 ? 0 : 1),
    places: Math.max(before?.places ?? 2, places(price)),
  };
}

export function applyPrice(message: PriceMessage): void {
  const cell = cellOf(message.symbol);
  cell.quote.value = afterMessage(cell.quote.peek(), message);
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
  const fresh = fromSnapshot(quote);
  const shown = cell.quote.peek();
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
