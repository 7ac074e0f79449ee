// One symbol: its price, its chart, where the price came from, and what was corrected.

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { api } from "../../api/client";
import { Ago, ErrorNote, ProviderBadge, State } from "../../components/basics";
import { ARROW, changeTitle, trend } from "../../components/quote-row";
import { useResource } from "../../components/resource";
import { complain, say } from "../../components/toast";
import { INTERVALS, type Candle, type Interval } from "../../lib/candles";
import { curl } from "../../lib/curl";
import { display, displaySigned } from "../../lib/decimal";
import { freshness, instant, localTime } from "../../lib/time";
import { classOf, normaliseSymbol } from "../../lib/watchlist";
import { href, route, setQuery } from "../../router";
import { wantDay } from "../../state/bars";
import { follow, withSnapshots } from "../../state/live";
import { now } from "../../state/now";
import { cellOf, loadQuotes } from "../../state/quotes";
import { signedIn } from "../../state/session";
import { unwatch, watch, watched } from "../../state/watchlist";
import PriceChart, { legendText, type Style } from "./price-chart";
import { Receipt } from "./receipt";
import { Records } from "./records";

const WINDOWS = [5, 10, 20, 50, 200];

function viewOf(query: Record<string, string>) {
  const interval: Interval = query.interval && query.interval in INTERVALS ? (query.interval as Interval) : "5m";
  const style: Style = query.style === "line" ? "line" : "candles";
  const chosen = query.ma === undefined ? [5] : query.ma.split(",").map(Number);
  return { interval, style, windows: WINDOWS.filter((window) => chosen.includes(window)), receipt: query.receipt !== undefined };
}

export default function SymbolPage() {
  const symbol = normaliseSymbol(route.value.param ?? "");
  if (!symbol) {
    return (
      <div class="empty">
        <h1>Not a symbol</h1>
        <p>“{route.value.param}” cannot be one: symbols have 1 to 32 of A-Z 0-9 . - / ^ =. <a href={href("quotes")}>Back to the quotes</a>.</p>
      </div>
    );
  }
  return <OneSymbol symbol={symbol} />;
}

function OneSymbol({ symbol }: { symbol: string }) {
  const { interval, style, windows, receipt } = viewOf(route.value.query);
  const [candle, setCandle] = useState<Candle>();
  const [loaded, setLoaded] = useState<{ empty: boolean } | { error: unknown }>();
  const [turn, setTurn] = useState(0);
  const [quoteError, setQuoteError] = useState<unknown>();

  // Before the chart's own effect, which waits for this subscription.
  useLayoutEffect(() => follow({ symbols: [symbol], averages: true }), [symbol]);
  useEffect(() => withSnapshots(() => loadQuotes([symbol]).then(() => (wantDay(symbol), setQuoteError(undefined)), setQuoteError)), [symbol]);

  const toggle = (window: number) => {
    const next = windows.includes(window) ? windows.filter((other) => other !== window) : [...windows, window];
    setQuery({ ma: next.length > 0 ? next.join(",") : "0" });
  };

  return (
    <>
      <SymbolHead symbol={symbol} onReceipt={() => setQuery({ receipt: "1" })} />
      {quoteError !== undefined && <ErrorNote error={quoteError} />}
      <div class="chart-tools">
        <fieldset class="segments"><legend class="unseen">Interval</legend>
          {(Object.keys(INTERVALS) as Interval[]).map((one) => <button key={one} type="button" aria-pressed={one === interval} onClick={() => setQuery({ interval: one })}>{one}</button>)}
        </fieldset>
        <fieldset class="segments"><legend class="unseen">Chart</legend>
          {(["candles", "line"] as const).map((one) => <button key={one} type="button" aria-pressed={one === style} onClick={() => setQuery({ style: one === "line" ? "line" : undefined })}>{one === "line" ? "Line" : "Candles"}</button>)}
        </fieldset>
        <fieldset class="segments averages"><legend>Average of</legend>
          {WINDOWS.map((window) => (
            <button key={window} type="button" aria-pressed={windows.includes(window)} data-series={windows.includes(window) ? windows.indexOf(window) + 1 : undefined} title={`The mean of the last ${window} prices`} onClick={() => toggle(window)}>{window}</button>
          ))}
        </fieldset>
      </div>
      <section class="panel chart-panel" aria-label="Chart">
        <p class="legend">{candle ? <>{legendText(candle).map(([name, value]) => <span key={name}><b>{name}</b> {value}</span>)}<span class="muted">{localTime(new Date(candle.time * 1000).toISOString())}</span></> : "\u00a0"}</p>
        {loaded && "error" in loaded && <ErrorNote error={loaded.error} onRetry={() => setTurn(turn + 1)} />}
        {loaded && "empty" in loaded && loaded.empty && <p class="note">No price is stored for these {interval} bars yet. <a href={href("jobs", undefined, { new: "1", symbols: symbol })}>Create a job for {symbol}</a> to collect them.</p>}
        <PriceChart symbol={symbol} interval={interval} style={style} windows={windows} onLegend={setCandle} onLoaded={setLoaded} turn={turn} />
        <p class="attribution muted"><a href="https://www.tradingview.com/" rel="noopener noreferrer">TradingView</a> Lightweight Charts™ Copyright © 2025 TradingView, Inc.</p>
      </section>
      <Records symbol={symbol} />
      <Copies symbol={symbol} interval={interval} />
      {receipt && <Receipt symbol={symbol} onClose={() => setQuery({ receipt: undefined })} />}
    </>
  );
}

function SymbolHead({ symbol, onReceipt }: { symbol: string; onReceipt(): void }) {
  const cell = cellOf(symbol);
  const quote = cell.quote.value;
  const way = trend(quote?.change);
  const state = quote && freshness(now.value - instant(quote.timestamp), quote.stale);
  const named = useResource(symbol, () => nameOf(symbol));
  const isWatched = watched.value.has(symbol);
  return (
    <div class="symbol-head">
      <div>
        <h1>{symbol}{named.data && <span class="instrument"> {named.data}</span>}</h1>
        {quote ? (
          <p class="headline">
            <span class="headline-price">{display(quote.price, quote.places)}</span> <span class="currency">{quote.currency}</span>
            {quote.change != null && <span class={way} title={changeTitle(quote.since)}><span aria-hidden="true">{ARROW[way]}</span> {displaySigned(quote.change, quote.places)} ({quote.percent_change == null ? "–" : `${displaySigned(quote.percent_change)}%`})</span>}
          </p>
        ) : <p class="muted">{cell.failure.value ?? "No price yet."}</p>}
        {quote && <p class="provenance"><ProviderBadge name={quote.provider} /> <State tone={state === "live" ? "good" : state === "recent" ? "warn" : "bad"}>{state}</State> <span class="muted">observed <Ago iso={quote.timestamp} /></span></p>}
      </div>
      <div class="actions">
        <button type="button" aria-pressed={isWatched} onClick={() => (isWatched ? unwatch(symbol) : watch(symbol))}>{isWatched ? "★ Watched" : "☆ Watch"}</button>
        <button type="button" onClick={onReceipt}>Receipt</button>
      </div>
    </div>
  );
}

const LIST_OF = { Stocks: "stocks", Crypto: "crypto", Forex: "forex", Other: "stocks" } as const;

/** The instrument's name where an asset list has it; a page without it is complete too. */
async function nameOf(symbol: string): Promise<string | undefined> {
  const params = { path: { asset_type: LIST_OF[classOf(symbol)] }, query: { q: symbol, limit: 10 } };
  const { data } = await api.GET("/v1/assets/{asset_type}", { params });
  const asset = data?.assets.find((one) => one.symbol === symbol);
  return asset && [asset.name, asset.exchange].filter(Boolean).join(", ");
}

function Copies({ symbol, interval }: { symbol: string; interval: Interval }) {
  const inQuery = encodeURIComponent(symbol);
  const requests: [name: string, path: string, stream?: boolean][] = [
    ["Latest price", `/prices/latest?symbol=${inQuery}`],
    ["Bars", `/v1/bars/${inQuery}?interval=${interval}`],
    ["Moving average", `/prices/ma?symbol=${inQuery}&window=5`],
    ["Live stream", `/v1/stream?symbols=${inQuery}`, true],
  ];
  const copy = (text: string) => navigator.clipboard.writeText(text).then(() => say("Copied. Set TICKERD_KEY in your shell if the service asks for a key."), () => complain(new Error("Could not copy: the browser did not allow it. Select the text instead.")));
  return (
    <section aria-labelledby="curl">
      <h2 id="curl">The same with curl</h2>
      <ul class="copies">
        {requests.map(([name, path, stream]) => {
          const text = curl(location.origin, path, { withKey: signedIn.value, ...(stream ? { stream } : {}) });
          return <li key={name}><span>{name}</span><code>{text}</code><button type="button" aria-label={`Copy ${name} as curl`} onClick={() => void copy(text)}>Copy</button></li>;
        })}
      </ul>
    </section>
  );
}
