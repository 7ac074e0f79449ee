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
      say(`The breaker of ${name} is closed.`);
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
  const { name, enabled, breaker, budgets = [] } = provider;
  const error = typeof provider.last_error === "string" ? { detail: provider.last_error } : provider.last_error;
  return (
    <article class={enabled ? "card" : "card card-off"} aria-label={`Provider ${name}`}>
      <header class="card-head">
        <h2>{name}</h2>
        {provider.invented && <span class="badge badge-invented">invented</span>}
        <Breaker provider={provider} />
      </header>
      {!enabled && <p class="muted">{provider.reason ?? "Switched off in the configuration."}</p>}
      {enabled && (
        <>
          <dl class="facts">
            <div><dt>Serves</dt><dd>{provider.asset_classes?.join(", ") || "–"}</dd></div>
            <div><dt>Latency</dt><dd><Latency of={provider.latency_ms} /></dd></div>
            <div><dt>Last answer</dt><dd><Ago iso={provider.last_success} /></dd></div>
            <div><dt>Symbols a call</dt><dd>{provider.batch_size ?? "–"}</dd></div>
          </dl>
          {budgets.map(({ window, limit, remaining, resets_at }) => (
            <Meter key={window} label={`a ${window}`} used={limit - remaining} limit={limit} note={`${count(remaining)} of ${count(limit)} left${resetNote(resets_at)}`} />
          ))}
          {budgets.length === 0 && <p class="muted">No limit on calls.</p>}
        </>
      )}
      {error && <p class="job-error"><strong>Last error.</strong> {error.class && <code>{error.class}</code>} {error.detail}{error.at && <> · <Ago iso={error.at} /></>}</p>}
      {enabled && breaker && breaker.state !== "closed" && <div class="actions"><button type="button" onClick={() => onReset(name)}>Close the breaker</button></div>}
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

function Latency({ of }: { of: Provider["latency_ms"] }) {
  if (of == null) return <span class="muted">–</span>;
  if (typeof of === "number") return <>{Math.round(of)} ms</>;
  return <span title="Half of the calls, and 95 of 100, are faster">{of.p50 ?? "–"} / {of.p95 ?? "–"} ms</span>;
}
