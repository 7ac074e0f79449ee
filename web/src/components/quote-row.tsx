// One row of the watchlist. Each cell reads the row's own signal, so a tick touches this row only.

import { useSignalEffect } from "@preact/signals";
import { memo } from "../lib/memo";
import { useRef } from "preact/hooks";
import { display, displaySigned, sign } from "../lib/decimal";
import { duration, freshness, instant, localTime, utcTitle, type Freshness } from "../lib/time";
import { href } from "../router";
import { now } from "../state/now";
import type { QuoteCell } from "../state/quotes";
import { ProviderBadge } from "./basics";
import { Sparkline } from "./sparkline";

interface Props {
  cell: QuoteCell;
  onRemove(symbol: string): void;
}

export const QuoteRow = memo(function QuoteRow({ cell, onRemove }: Props) {
  const { symbol } = cell;
  return (
    <div role="row" class="quote-row">
      <span role="cell" class="cell-symbol"><a href={href("symbol", symbol)} data-row-link>{symbol}</a></span>
      <Price cell={cell} />
      <Change cell={cell} />
      <Percent cell={cell} />
      <Age cell={cell} />
      <span role="cell" class="cell-provider"><Provider cell={cell} /></span>
      <span role="cell" class="cell-spark"><Sparkline cell={cell} /></span>
      <span role="cell" class="cell-remove">
        <button type="button" class="quiet icon" aria-label={`Remove ${symbol}`} title={`Remove ${symbol}`} onClick={() => onRemove(symbol)}>✕</button>
      </span>
    </div>
  );
});

/** How long a price stays tinted after it moved. */
const FLASH_MS = 450;

function Price({ cell }: { cell: QuoteCell }) {
  const place = useRef<HTMLSpanElement>(null);
  const seen = useRef(cell.quote.peek()?.ticks ?? 0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  // Outside of rendering: an attribute on, an attribute off, no layout in between.
  useSignalEffect(() => {
    const quote = cell.quote.value;
    if (!quote || quote.ticks === seen.current || !place.current) return;
    seen.current = quote.ticks;
    place.current.dataset.flash = quote.moved > 0 ? "up" : "down";
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      if (place.current) delete place.current.dataset.flash;
    }, FLASH_MS);
  });
  const quote = cell.quote.value;
  return (
    <span role="cell" class="cell-price" ref={place}>
      {quote ? <>{display(quote.price, quote.places)}<span class="currency"> {quote.currency}</span></>
        : cell.failure.value ? <span class="muted" title={cell.failure.value}>no price</span>
        : <span class="muted">…</span>}
    </span>
  );
}

export function trend(change: string | null | undefined): "up" | "down" | "flat" {
  const direction = change == null ? 0 : sign(change);
  return direction > 0 ? "up" : direction < 0 ? "down" : "flat";
}

export const ARROW = { up: "▲", down: "▼", flat: "" } as const;

/** What a change is counted from. */
export function changeTitle(since: string | null | undefined): string {
  return since ? `Since the first stored price of the last 24 hours, ${localTime(since)} · ${utcTitle(since)}` : "Since the previous close, or over 24 hours, as the provider says";
}

function Change({ cell }: { cell: QuoteCell }) {
  const { change, places, since } = cell.quote.value ?? {};
  return <span role="cell" class={`cell-change ${trend(change)}`} title={changeTitle(since)}>{change == null ? <span class="muted">–</span> : displaySigned(change, places)}</span>;
}

function Percent({ cell }: { cell: QuoteCell }) {
  const { percent_change: percent, since } = cell.quote.value ?? {};
  const way = trend(percent);
  return (
    <span role="cell" class={`cell-percent ${way}`} title={changeTitle(since)}>
      {percent == null ? <span class="muted">–</span> : <><span class="arrow" aria-hidden="true">{ARROW[way]}</span>{displaySigned(percent)}%</>}
    </span>
  );
}

const AGE_MARK: Record<Freshness, string> = { live: "●", recent: "◐", stale: "○" };

function Age({ cell }: { cell: QuoteCell }) {
  const quote = cell.quote.value;
  if (!quote) return <span role="cell" class="cell-age" />;
  const age = now.value - instant(quote.timestamp);
  const state = freshness(age, quote.stale);
  return (
    <span role="cell" class={`cell-age age-${state}`} title={`Observed ${localTime(quote.timestamp)} · ${utcTitle(quote.timestamp)}${quote.stale ? " · the service calls it stale" : ""}`}>
      <span aria-hidden="true">{AGE_MARK[state]} </span>{duration(age)}<span class="age-word"> {state}</span>
    </span>
  );
}

function Provider({ cell }: { cell: QuoteCell }) {
  return <ProviderBadge name={cell.quote.value?.provider} />;
}
