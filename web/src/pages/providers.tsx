// Where prices come from, and what each provider will still give.

import { api, ask } from "../api/client";
import type { Provider } from "../api/types";
import { Ago, Countdown, Empty, ErrorNote, Loading, Meter, State } from "../components/basics";
import { useResource } from "../components/resource";
import { complain, say } from "../components/toast";
import { count } from "../lib/count";
import { instant } from "../lib/time";
import { now } from "../state/now";
import { loadProviders } from "../state/providers";

export default function Providers() {
  const providers = useResource("providers", loadProviders, 3000);

  async function reset(name: string) {
    try {
      await ask(`reset ${name}`, api.POST("/v1/providers/{name}/reset", { params: { path: { name } } }));
      say(`${name} is asked again: its breaker is closed.`);
    } catch (error) {
      complain(error);
    }
    providers.reload();
  }

  return (
    <>
      <div class="page-head"><h1>Providers</h1></div>
      {providers.error !== undefined && <ErrorNote error={providers.error} onRetry={providers.reload} />}
      {providers.loading && <Loading what="the providers" />}
      {providers.data?.length === 0 && <Empty title="No provider is configured"><p>Enable one under <code>[providers]</code> in <code>tickerd.toml</code>, or start with <code>--demo</code>.</p></Empty>}
      <div class="cards">
        {providers.data?.map((provider) => <ProviderCard key={provider.name} provider={provider} onReset={reset} />)}
      </div>
    </>
  );
}

function ProviderCard({ provider, onReset }: { provider: Provider; onReset(name: string): void }) {
  const { name, enabled, breaker, budgets, switched_off, last_error, last_error_at } = provider;
  return (
    <article class={enabled ? "card" : "card card-off"} aria-label={`Provider ${name}`}>
      <header class="card-head">
        <h2>{name}</h2>
        {provider.invented && <span class="badge badge-invented" title="Its prices are played back or simulated">not a market</span>}
        <Breaker provider={provider} />
      </header>
      {!enabled && <p class="muted">{provider.reason ?? "Switched off in the configuration."}</p>}
      {enabled && (
        <>
          <dl class="facts">
            <div><dt>Serves</dt><dd>{provider.asset_classes.join(", ") || "–"}</dd></div>
            <div><dt>Symbols a call</dt><dd>{provider.batch_size == null ? "–" : count(provider.batch_size)}</dd></div>
            <div><dt>Calls</dt><dd title="Since the service was started">{count(provider.calls)}{provider.failed_calls > 0 && <>, {count(provider.failed_calls)} failed</>}</dd></div>
            <div><dt>Last took</dt><dd>{provider.last_latency_ms == null ? <span class="muted">–</span> : latency(provider.last_latency_ms)}</dd></div>
          </dl>
          {budgets.map(({ window, limit, remaining, resets_at }) => (
            <Meter key={window} label={`a ${window}`} used={limit - remaining} limit={limit} note={`${count(remaining)} of ${count(limit)} left${resetNote(resets_at)}`} />
          ))}
          {budgets.length === 0 && <p class="muted">No limit on calls.</p>}
        </>
      )}
      {switched_off.map((what) => <p key={what} class="job-error"><strong>Not asked any more.</strong> {what}</p>)}
      {last_error && <p class="job-error"><strong>Last error.</strong> {last_error}{last_error_at && <> · <Ago iso={last_error_at} /></>}</p>}
      {breaker && (breaker.state !== "closed" || switched_off.length > 0) && <div class="actions"><button type="button" onClick={() => onReset(name)}>{breaker.state === "closed" ? "Ask again" : "Close the breaker"}</button></div>}
    </article>
  );
}

function resetNote(resetsAt: string | null | undefined): string {
  if (!resetsAt) return "";
  const secs = Math.max(0, Math.ceil((instant(resetsAt) - now.value) / 1000));
  return secs < 120 ? `, anew in ${secs} s` : secs < 7200 ? `, anew in ${Math.round(secs / 60)} min` : secs < 172_800 ? `, anew in ${Math.round(secs / 3600)} h` : `, anew in ${Math.round(secs / 86_400)} d`;
}

function Breaker({ provider: { enabled, breaker } }: { provider: Provider }) {
  if (!enabled) return <State tone="plain">off</State>;
  switch (breaker?.state) {
    case "open":
      return <State tone="bad" title={`${breaker.failures ?? "Several"} failures in a row`}>breaker open, probe <Countdown until={breaker.open_until} due="due" /></State>;
    case "half_open":
      return <State tone="warn" title="One call is let through; its answer decides">breaker half open</State>;
    default:
      return <State tone="good" title="The breaker is closed: calls go through">breaker closed</State>;
  }
}

function latency(millis: number): string {
  return millis < 1 ? "under 1 ms" : `${count(millis)} ms`;
}
