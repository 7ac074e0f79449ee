// From ingest to average: how much flows, what waits, and what was put aside.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type uPlot from "uplot";
import { api, ask } from "../api/client";
import type { DeadLetter } from "../api/types";
import { Ago, Empty, ErrorNote, Figure, Loading, State, Time } from "../components/basics";
import { Confirm } from "../components/dialog";
import OperationsChart from "../components/operations-chart";
import { useResource } from "../components/resource";
import { complain, say } from "../components/toast";
import { count } from "../lib/count";
import { parseMetrics, QUANTITIES, rate, read, type Quantity, type Reading } from "../lib/metrics";
import { authorization } from "../state/session";
import { received } from "../state/live";

const EVERY_MS = 2000;
const KEPT = 150;

// Kept outside of the page, so that coming back to it shows what was seen.
const readings = signal<Reading[]>([]);
const metricsError = signal<unknown>(undefined);

async function takeReading(): Promise<void> {
  try {
    const response = await fetch("/metrics", { headers: authorization() });
    if (!response.ok) throw new Error(`Could not read the metrics: the service answered ${response.status}.`);
    const reading = { at: Date.now(), sample: parseMetrics(await response.text()) };
    readings.value = [...readings.value, reading].slice(-KEPT);
    metricsError.value = undefined;
  } catch (error) {
    metricsError.value = error instanceof TypeError ? new Error("Could not read the metrics: the service cannot be reached.") : error;
  }
}

export default function Pipeline() {
  useEffect(() => {
    void takeReading();
    const timer = setInterval(() => !document.hidden && void takeReading(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <div class="page-head"><h1>Pipeline</h1></div>
      {metricsError.value !== undefined && <ErrorNote error={metricsError.value} onRetry={takeReading} />}
      <Flow />
      <Charts />
      <DeadLetters />
    </>
  );
}

/** Steadier than one interval: the rate over the last few readings. */
function recentRate(quantity: Quantity): number | undefined {
  const all = readings.value;
  return rate(quantity, all.at(-6) ?? all[0], all.at(-1));
}

function perSecond(quantity: Quantity) {
  const value = recentRate(quantity);
  return value === undefined ? <span class="muted">–</span> : <>{value.toFixed(1)}<small> /s</small></>;
}

function depth(quantity: Quantity) {
  const last = readings.value.at(-1);
  return (last && read(last.sample, quantity)) ?? <span class="muted">–</span>;
}

function Flow() {
  const last = readings.value.at(-1);
  const outbox = last && read(last.sample, "outbox");
  return (
    <dl class="figures flow" aria-label="The pipeline now">
      <Figure name="Ingest" title="New prices stored, with their outbox entry, in one transaction">{perSecond("ingested")}</Figure>
      <Figure name="Duplicates" title="Prices that were stored already: answered, not stored again">{perSecond("duplicates")}</Figure>
      <Figure name="Outbox" title="Stored events that the bus does not have yet">{depth("outbox")} {outbox !== undefined && outbox > 1000 && <State tone="warn">growing</State>}</Figure>
      <Figure name="Relay" title="Events published to the bus">{perSecond("published")}</Figure>
      {last?.sample.has(QUANTITIES.lag) && <Figure name="Lag" title="Published events that the averager has not committed">{depth("lag")}</Figure>}
      <Figure name="Averages" title="Moving averages written, all windows together">{perSecond("averages")}</Figure>
      <Figure name="Seen here" title="Stream messages that this page received since it was opened">{count(received.value)}</Figure>
    </dl>
  );
}

function Charts() {
  const all = readings.value;
  if (all.length < 3) return <Loading what="the first readings" />;
  const at = all.slice(1).map((reading) => reading.at / 1000);
  const rates = (quantity: Quantity) => all.slice(1).map((reading, n) => rate(quantity, all[n], reading) ?? null);
  const depths = (quantity: Quantity) => all.slice(1).map((reading) => read(reading.sample, quantity) ?? null);
  const flow: uPlot.AlignedData = [at, rates("ingested"), rates("published"), rates("averages")];
  const hasLag = all.at(-1)!.sample.has(QUANTITIES.lag);
  const waiting: uPlot.AlignedData = hasLag ? [at, depths("outbox"), depths("lag")] : [at, depths("outbox")];
  const waitingLines = [{ label: "Outbox", colour: "--series-1" }, { label: "Lag", colour: "--series-2", dash: [6, 3] }].slice(0, hasLag ? 2 : 1);
  return (
    <div class="chart-pair">
      <section class="panel" aria-labelledby="flow">
        <h2 id="flow">Flow, events a second</h2>
        <OperationsChart label="Rates of ingest, relay and averages over the last minutes" unit="/s" data={flow}
          lines={[{ label: "Ingest", colour: "--series-1" }, { label: "Relay", colour: "--series-2", dash: [6, 3] }, { label: "Averages", colour: "--series-3", dash: [2, 2] }]} />
      </section>
      <section class="panel" aria-labelledby="waiting">
        <h2 id="waiting">Waiting, events</h2>
        <OperationsChart label="Events that wait, over the last minutes" unit="" data={waiting} lines={waitingLines} />
      </section>
    </div>
  );
}

function DeadLetters() {
  const letters = useResource("dead-letters", () => ask("load the dead letters", api.GET("/v1/dead-letters", { params: { query: { limit: 200 } } })), 5000);
  const [doomed, setDoomed] = useState<DeadLetter>();

  async function act(done: string, what: Promise<unknown>) {
    try {
      await what;
      say(done);
    } catch (error) {
      complain(error);
    }
    letters.reload();
  }
  const replay = ({ id }: DeadLetter) => act(`Dead letter ${id} goes through the pipeline again.`, ask(`replay ${id}`, api.POST("/v1/dead-letters/{id}/replay", { params: { path: { id } } })));
  const drop = ({ id }: DeadLetter) => act(`Dead letter ${id} is dropped.`, ask(`drop ${id}`, api.DELETE("/v1/dead-letters/{id}", { params: { path: { id } } })));

  return (
    <section aria-labelledby="letters">
      <h2 id="letters">Dead letters {letters.data && letters.data.length > 0 && <span class="muted">{letters.data.length}</span>}</h2>
      {letters.error !== undefined && <ErrorNote error={letters.error} onRetry={letters.reload} />}
      {letters.loading && <Loading what="the dead letters" />}
      {letters.data?.length === 0 && <Empty title="No dead letters"><p>Events that cannot be decoded, or that failed too often, are put aside here to be replayed or dropped.</p></Empty>}
      <div class="letters">
        {letters.data?.map((letter) => (
          <article key={letter.id} class="card" aria-label={`Dead letter ${letter.id}`}>
            <p class="letter-reason">{letter.reason}</p>
            <p class="muted">
              {letter.key && <>key <code>{letter.key}</code> · </>}
              {letter.topic && <>{letter.topic}{letter.partition != null && ` ${letter.partition}`}{letter.offset != null && ` @ ${letter.offset}`} · </>}
              {letter.attempts} attempts · <Ago iso={letter.parked_at} />
            </p>
            {letter.history.length > 0 && <p class="muted">Replayed and parked before: {letter.history.map(({ parked_at, reason }) => <span key={parked_at}><Time iso={parked_at} />, {reason}. </span>)}</p>}
            <details>
              <summary>Original bytes and headers</summary>
              <pre tabIndex={0}>{letter.payload || "none"}</pre>
              <dl class="headers">{letter.headers.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
            </details>
            <div class="actions">
              <button type="button" onClick={() => replay(letter)}>Replay</button>
              <button type="button" class="danger-quiet" onClick={() => setDoomed(letter)}>Drop</button>
            </div>
          </article>
        ))}
      </div>
      {doomed && <Confirm title="Drop this dead letter?" verb="Drop it" onConfirm={() => drop(doomed)} onClose={() => setDoomed(undefined)}>The event is deleted and cannot be replayed. Stored prices stay as they are.</Confirm>}
    </section>
  );
}
