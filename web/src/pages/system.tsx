// The service itself: health, keys, audit, configuration.

import { useState } from "preact/hooks";
import { api, ask, Failure } from "../api/client";
import type { ApiKey, Ready } from "../api/types";
import { Ago, Empty, ErrorNote, Figure, Loading, State, Time } from "../components/basics";
import { Confirm, Dialog } from "../components/dialog";
import { useResource } from "../components/resource";
import { complain, say } from "../components/toast";
import { chainState } from "../lib/audit";
import { bytes, count } from "../lib/count";
import { instant } from "../lib/time";
import { now } from "../state/now";
import { freshKey, signedIn, signIn } from "../state/session";
import { system } from "../state/system";

export default function SystemPage() {
  return (
    <>
      <div class="page-head"><h1>System</h1></div>
      <Service />
      <Keys />
      <Audit />
      <Configuration />
      <About />
    </>
  );
}

/** 503 is an answer here, not a failure: its body says which part is down. */
async function loadReady(): Promise<Ready> {
  const { data, error, response } = await api.GET("/ready");
  if (data) return data;
  if (response.status === 503 && error) return error as unknown as Ready;
  throw new Failure("ask whether the service is ready", response.status, undefined);
}

function Service() {
  const about = useResource("system", () => ask("load the system's state", api.GET("/v1/system")), 10_000);
  const ready = useResource("ready", loadReady, 5000);
  if (about.data && system.peek() !== about.data) system.value = about.data;
  const checks = Object.entries(ready.data?.checks ?? {}).map(([name, check]) => ({ name, ...(typeof check === "string" ? { status: check, detail: undefined } : check) }));
  const { data } = about;
  return (
    <>
      {about.error !== undefined && <ErrorNote error={about.error} onRetry={about.reload} />}
      {ready.error !== undefined && <ErrorNote error={ready.error} onRetry={ready.reload} />}
      <dl class="figures">
        {data && <Figure name="Version">{data.version}</Figure>}
        {data && <Figure name="Mode">{data.mode}{data.demo && " (demo)"}</Figure>}
        {data && <Figure name="Started"><Ago iso={data.started_at} /></Figure>}
        {data && <Figure name="Store" title={`${data.store}, ${count(data.store_bytes)} bytes`}>{data.store}<small> {bytes(data.store_bytes)}</small></Figure>}
        {data && <Figure name="Prices">{count(data.prices)}<small> of {count(data.symbols)} symbols</small></Figure>}
        {data && <Figure name="Averages">{count(data.averages)}</Figure>}
        {ready.data && <Figure name="Health"><Health status={ready.data.status} /></Figure>}
      </dl>
      {checks.length > 0 && (
        <ul class="checks" aria-label="Parts">
          {checks.map(({ name, status, detail }) => <li key={name}><b>{name}</b> <Health status={status} /> {detail && <span class="muted">{detail}</span>}</li>)}
        </ul>
      )}
    </>
  );
}

function Health({ status }: { status: string }) {
  const good = ["ready", "ok", "healthy", "up"].includes(status);
  return <State tone={good ? "good" : status === "degraded" ? "warn" : "bad"}>{status}</State>;
}

function keyState({ revoked_at, expires_at }: ApiKey) {
  if (revoked_at) return <State tone="bad">revoked</State>;
  if (expires_at && instant(expires_at) < now.value) return <State tone="bad">expired</State>;
  return <State tone="good">valid</State>;
}

function Keys() {
  const keys = useResource("keys", () => ask("load the keys", api.GET("/v1/keys")), 15_000);
  const [creating, setCreating] = useState(false);
  const [doomed, setDoomed] = useState<ApiKey>();

  async function revoke({ id }: ApiKey) {
    try {
      await ask("revoke the key", api.DELETE("/v1/keys/{id}", { params: { path: { id } } }));
      say(`Key ${id} is revoked.`);
    } catch (error) {
      complain(error);
    }
    keys.reload();
  }

  return (
    <section aria-labelledby="keys">
      <div class="section-head"><h2 id="keys">Keys</h2>{keys.data && <button type="button" onClick={() => setCreating(true)}>New key</button>}</div>
      {keys.error !== undefined && <ErrorNote error={keys.error} onRetry={keys.reload} />}
      {keys.loading && <Loading what="the keys" />}
      {keys.data?.length === 0 && <Empty title="No key yet"><p>The service is open to this machine. Create an admin key before it is bound elsewhere.</p></Empty>}
      {keys.data && keys.data.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table of keys">
          <table class="data">
            <thead><tr><th scope="col">Key</th><th scope="col">Name</th><th scope="col">Role</th><th scope="col">State</th><th scope="col">Last used</th><th scope="col">Expires</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
            <tbody>
              {keys.data.map((key) => (
                <tr key={key.id}>
                  <td><code>tkd_{key.id}_…</code></td><td>{key.name ?? "–"}</td><td>{key.role}</td><td>{keyState(key)}</td>
                  <td><Ago iso={key.last_used_at} /></td><td><Time iso={key.expires_at} /></td>
                  <td class="end">{!key.revoked_at && <button type="button" class="danger-quiet" aria-label={`Revoke ${key.name ?? key.id}`} onClick={() => setDoomed(key)}>Revoke</button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {creating && <NewKey onClose={() => setCreating(false)} onCreated={keys.reload} />}
      {doomed && <Confirm title={`Revoke ${doomed.name ?? doomed.id}?`} verb="Revoke the key" onConfirm={() => revoke(doomed)} onClose={() => setDoomed(undefined)}>Whoever uses it is refused from now on. This cannot be undone.</Confirm>}
    </section>
  );
}

function NewKey({ onClose, onCreated }: { onClose(): void; onCreated(): void }) {
  // Nobody else may make keys, so without one of our own the door is still open: this key closes it.
  const first = !signedIn.value;
  const [error, setError] = useState<unknown>();
  async function submit(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const days = Number(form.get("days"));
    const name = String(form.get("name"));
    const body = { role: String(form.get("role")), ...(name ? { name } : {}), ...(days > 0 ? { expires_at: new Date(Date.now() + days * 86_400_000).toISOString() } : {}) };
    try {
      const { key } = await ask("create the key", api.POST("/v1/keys", { body }));
      onClose();
      if (first) signIn(key);
      freshKey.value = key;
      onCreated();
    } catch (problem) {
      setError(problem);
    }
  }
  return (
    <Dialog title="New key" onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        <label>Name <input name="name" autofocus maxLength={80} placeholder="who or what will use it" /></label>
        <label>Role
          <select name="role">
            {!first && <option value="read">read: see prices</option>}
            {!first && <option value="write">write: add prices and jobs too</option>}
            <option value="admin">admin: everything</option>
          </select>
        </label>
        {first && <p class="muted">From this first key on the service asks everybody for one, so it is an administrator's. This tab is signed in with it.</p>}
        <label>Days until it expires, 0 for never <input name="days" type="number" min={0} max={3650} defaultValue="90" /></label>
        {error !== undefined && <ErrorNote error={error} />}
        <div class="actions"><button type="button" onClick={onClose}>Cancel</button><button type="submit" class="primary">Create</button></div>
      </form>
    </Dialog>
  );
}

function Audit() {
  const audit = useResource("audit", () => ask("load the audit trail", api.GET("/v1/audit", { params: { query: { limit: 100 } } })), 10_000);
  const chain = chainState(audit.data ?? []);
  return (
    <section aria-labelledby="audit">
      <div class="section-head">
        <h2 id="audit">Audit</h2>
        {chain.name === "linked" && <State tone="good" title="Each entry names the hash of the one before. `tickerd audit verify` checks the whole trail.">chain fits over these {chain.count}</State>}
        {chain.name === "broken" && <State tone="bad">chain broken at entry {chain.at}</State>}
      </div>
      {audit.error !== undefined && <ErrorNote error={audit.error} onRetry={audit.reload} />}
      {audit.loading && <Loading what="the audit trail" />}
      {audit.data?.length === 0 && <Empty title="Nothing recorded yet"><p>Every write, admin action and refused access will be listed here.</p></Empty>}
      {audit.data && audit.data.length > 0 && (
        <div class="scroll tall" tabIndex={0} role="region" aria-label="Audit trail">
          <table class="data">
            <thead><tr><th scope="col" class="end">#</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">On</th><th scope="col">Outcome</th><th scope="col">Hash</th></tr></thead>
            <tbody>
              {audit.data.map((entry) => (
                <tr key={entry.sequence}>
                  <td class="end">{entry.sequence}</td><td><Time iso={entry.at} /></td><td>{entry.actor}</td><td>{entry.action}</td><td>{entry.target ?? "–"}</td>
                  <td>{entry.outcome?.startsWith("refused") ? <State tone="bad">{entry.outcome}</State> : entry.outcome}</td><td><code title={entry.hash}>{entry.hash?.slice(0, 10)}</code></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Configuration() {
  const config = system.value?.config;
  if (!config || config.length === 0) return null;
  return (
    <section aria-labelledby="config">
      <div class="section-head"><h2 id="config">Configuration</h2></div>
      <div class="scroll tall" tabIndex={0} role="region" aria-label="Table of settings">
        <table class="data settings">
          <thead><tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col">Origin</th></tr></thead>
          <tbody>
            {config.map(({ key, value, origin }) => (
              <tr key={key}><td><code>{key}</code></td><td>{settingText(value)}</td><td class={origin === "default" ? "muted" : ""}>{origin}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function settingText(value: unknown) {
  if (value === "" || (Array.isArray(value) && value.length === 0)) return <span class="muted">none</span>;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function About() {
  return (
    <footer class="about muted">
      API: <a href="/docs">documentation</a>, <a href="/openapi.json">OpenAPI</a>, <a href="/metrics">metrics</a>.{" "}
      Price charts by <a href="https://www.tradingview.com/" rel="noopener noreferrer">TradingView</a> Lightweight Charts™, Copyright © 2025 TradingView, Inc. (Apache License 2.0). Operations charts by µPlot (MIT).
    </footer>
  );
}
