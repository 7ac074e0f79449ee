// The receipt: who answered, who was asked before and why not.

import { api, ask } from "../../api/client";
import type { Receipt as Wire } from "../../api/types";
import { ErrorNote, Loading, State, Time, type Tone } from "../../components/basics";
import { Dialog } from "../../components/dialog";
import { useResource } from "../../components/resource";
import { display } from "../../lib/decimal";
import { duration } from "../../lib/time";

const SHOWN_ABOVE = new Set(["symbol", "price", "currency", "provider", "timestamp", "received_at", "age_ms", "latency_ms", "stale", "asked_at", "attempts"]);

export function Receipt({ symbol, onClose }: { symbol: string; onClose(): void }) {
  const receipt = useResource(symbol, () => ask(`explain ${symbol}`, api.GET("/v1/quotes/{symbol}/explain", { params: { path: { symbol } } })));
  return (
    <Dialog title={`Receipt of ${symbol}`} onClose={onClose} drawer>
      {receipt.error !== undefined && <ErrorNote error={receipt.error} onRetry={receipt.reload} />}
      {receipt.loading && <Loading what="the receipt" />}
      {receipt.data && <Paper receipt={receipt.data} />}
    </Dialog>
  );
}

function toneOf(outcome: string): Tone {
  if (["answered", "ok", "success", "hit"].includes(outcome)) return "good";
  return outcome.startsWith("skipped") ? "plain" : "bad";
}

function Paper({ receipt }: { receipt: Wire }) {
  const others = Object.entries(receipt).filter(([name, value]) => !SHOWN_ABOVE.has(name) && value !== null);
  return (
    <>
      <dl class="receipt">
        <div><dt>Price</dt><dd>{display(receipt.price)} {receipt.currency}</dd></div>
        <div><dt>Answered by</dt><dd>{receipt.provider}</dd></div>
        <div><dt>Observed</dt><dd><Time iso={receipt.timestamp} /></dd></div>
        <div><dt>Received</dt><dd><Time iso={receipt.received_at} /></dd></div>
        <div><dt>Age</dt><dd>{duration(receipt.age_ms)}{receipt.stale && " · stale"}</dd></div>
        {receipt.asked_at && <div><dt>Asked</dt><dd><Time iso={receipt.asked_at} /></dd></div>}
        {receipt.latency_ms != null && <div><dt>Latency</dt><dd>{receipt.latency_ms} ms</dd></div>}
        {others.map(([name, value]) => <div key={name}><dt>{name.replaceAll("_", " ")}</dt><dd>{typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>)}
      </dl>
      <h3>Who was asked, in order</h3>
      {receipt.attempts.length === 0 && <p class="muted">Nobody, since the service was started: this price was handed in, not asked for.</p>}
      {receipt.attempts.length > 0 && (
          <ol class="attempts">
            {receipt.attempts.map((attempt, n) => (
              <li key={n}>
                <b>{attempt.provider}</b> <State tone={toneOf(attempt.outcome)}>{attempt.outcome.replaceAll("_", " ")}</State>
                {attempt.latency_ms != null && <span class="muted"> {attempt.latency_ms} ms</span>}
                {attempt.detail && <div class="muted">{attempt.detail}</div>}
                {attempt.until && <div class="muted">not before <Time iso={attempt.until} /></div>}
              </li>
            ))}
          </ol>
      )}
    </>
  );
}
