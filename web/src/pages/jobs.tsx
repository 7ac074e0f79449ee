// Polling jobs: what runs, how well, and whether the providers' budgets can carry it.

import { useState } from "preact/hooks";
import { api, ask } from "../api/client";
import type { Job, Provider } from "../api/types";
import { Ago, Countdown, Empty, ErrorNote, Loading, Meter, State, type Tone } from "../components/basics";
import { Confirm, Dialog } from "../components/dialog";
import { useResource } from "../components/resource";
import { complain, say } from "../components/toast";
import { count } from "../lib/count";
import { plan, WINDOW_SECS } from "../lib/plan";
import { spoken } from "../lib/time";
import { normaliseSymbol } from "../lib/watchlist";
import { href, route, setQuery } from "../router";
import { loadProviders } from "../state/providers";

const TONES: Record<string, Tone> = { active: "good", accepted: "good", paused: "plain", failing: "bad" };

export default function Jobs() {
  const jobs = useResource("jobs", () => ask("load the jobs", api.GET("/prices/poll", { params: { query: { limit: 1000 } } })), 3000);
  const providers = useResource("providers", loadProviders, 10_000);
  const [doomed, setDoomed] = useState<Job>();
  const creating = route.value.query.new !== undefined;
  const all = jobs.data ?? [];

  /** Does something, says so, and shows the new state. */
  async function act(done: string, what: Promise<unknown>) {
    try {
      await what;
      say(done);
    } catch (error) {
      complain(error);
    }
    jobs.reload();
  }

  const setStatus = (job: Job, status: "active" | "paused") =>
    act(`${job.job_id} is ${status}.`, ask(`${status === "paused" ? "pause" : "resume"} ${job.job_id}`, api.PATCH("/prices/poll/{job_id}", { params: { path: { job_id: job.job_id } }, body: { status } })));
  const remove = (job: Job) => act(`${job.job_id} is deleted.`, ask(`delete ${job.job_id}`, api.DELETE("/prices/poll/{job_id}", { params: { path: { job_id: job.job_id } } })));
  const runNow = (job: Job) => {
    const query = job.config.provider ? { provider: job.config.provider } : undefined;
    const polls = job.config.symbols.map((symbol) => ask(`poll ${symbol}`, api.POST("/poll/{symbol}", { params: { path: { symbol }, query } })));
    return act(`Polled ${job.config.symbols.join(", ")}.`, Promise.all(polls));
  };

  return (
    <>
      <div class="page-head">
        <h1>Jobs</h1>
        <span class="muted">{all.length > 0 && `${all.length} in all`}</span>
        <div class="page-tools"><button type="button" class="primary" onClick={() => setQuery({ new: "1" })}>New job</button></div>
      </div>
      {jobs.error !== undefined && <ErrorNote error={jobs.error} onRetry={jobs.reload} />}
      {jobs.loading && <Loading what="the jobs" />}
      {jobs.data?.length === 0 && (
        <Empty title="No job yet"><p>A job asks a provider for prices again and again. <button type="button" class="link" onClick={() => setQuery({ new: "1" })}>Create the first one</button>.</p></Empty>
      )}
      {all.length > 0 && (
        <div class="cards">
          {all.map((job) => <JobCard key={job.job_id} job={job} onStatus={setStatus} onRun={runNow} onDelete={setDoomed} />)}
        </div>
      )}
      {providers.data && all.length > 0 && <Plan jobs={all} providers={providers.data} />}
      {creating && <NewJob providers={providers.data ?? []} onClose={() => setQuery({ new: undefined })} onCreated={(id) => (say(`${id} is accepted.`), jobs.reload())} />}
      {doomed && (
        <Confirm title={`Delete ${doomed.job_id}?`} verb="Delete the job" onConfirm={() => remove(doomed)} onClose={() => setDoomed(undefined)}>
          It stops polling {doomed.config.symbols.join(", ")}. Prices already stored stay.
        </Confirm>
      )}
    </>
  );
}

interface CardProps {
  job: Job;
  onStatus(job: Job, status: "active" | "paused"): void;
  onRun(job: Job): void;
  onDelete(job: Job): void;
}

function JobCard({ job, onStatus, onRun, onDelete }: CardProps) {
  const { config, status, runs, successes } = job;
  const paused = status === "paused";
  return (
    <article class="card" aria-label={`Job ${job.job_id}`}>
      <header class="card-head">
        <h2>{config.name || job.job_id}</h2>
        {config.name && <span class="muted">{job.job_id}</span>}
        <State tone={TONES[status] ?? "plain"}>{status}</State>
      </header>
      <p class="symbols">{config.symbols.map((symbol) => <a key={symbol} href={href("symbol", symbol)}>{symbol}</a>)}</p>
      <dl class="facts">
        <div class={config.cron ? "wide" : ""}><dt>Schedule</dt><dd>{config.cron ? <code title="In UTC">{config.cron}</code> : `every ${spoken(config.interval ?? 0)}`}</dd></div>
        <div><dt>Provider</dt><dd>{config.provider ?? "the chain"}</dd></div>
        <div><dt>Last</dt><dd><Ago iso={job.last_run} /></dd></div>
        <div><dt>Next</dt><dd>{paused ? <span class="muted">when resumed</span> : <Countdown until={job.next_run} />}</dd></div>
        <div><dt>Success</dt><dd title={`${successes} of ${runs} runs`}>{runs === 0 ? <span class="muted">no run yet</span> : `${successRate(successes, runs)} of ${count(runs)}`}</dd></div>
        <div><dt>Points</dt><dd>{count(job.points)}</dd></div>
      </dl>
      {job.stretched && <p class="job-note"><strong>Stretched.</strong> {job.stretched}</p>}
      {job.last_error && <p class="job-error"><strong>Last error.</strong> {job.last_error}</p>}
      <div class="actions">
        <button type="button" onClick={() => onRun(job)}>Run now</button>
        {paused ? <button type="button" onClick={() => onStatus(job, "active")}>Resume</button> : <button type="button" onClick={() => onStatus(job, "paused")}>Pause</button>}
        <button type="button" class="danger-quiet" onClick={() => onDelete(job)}>Delete</button>
      </div>
    </article>
  );
}

/** Never rounded up to a hundred that was not reached. */
export function successRate(successes: number, runs: number): string {
  const tenths = Math.floor((successes / runs) * 1000);
  return `${tenths / 10}%`;
}

function Plan({ jobs, providers }: { jobs: Job[]; providers: Provider[] }) {
  const lines = plan(jobs, providers);
  if (lines.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="plan">
      <h2 id="plan">Plan against budgets</h2>
      <p class="muted">What the running jobs with an interval will ask for, if every call is for as many symbols as the provider allows.</p>
      {lines.map(({ provider, window, calls, limit }) => (
        <Meter key={provider + window} label={`${provider} a ${window}`} used={calls} limit={limit}
          note={`${count(Math.ceil(calls))} of ${count(limit)} calls${calls > limit ? ": too many, runs will be stretched" : ""}`} />
      ))}
    </section>
  );
}

interface NewJobProps {
  providers: Provider[];
  onClose(): void;
  onCreated(id: string): void;
}

function NewJob({ providers, onClose, onCreated }: NewJobProps) {
  const [error, setError] = useState<unknown>();
  const [schedule, setSchedule] = useState("interval");

  async function submit(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const words = String(form.get("symbols")).split(/[\s,;]+/).filter(Boolean);
    const wrong = words.find((word) => !normaliseSymbol(word));
    if (words.length === 0) return setError(new Error("Name at least one symbol, AAPL for example."));
    if (wrong) return setError(new Error(`${wrong} is not a symbol: symbols have 1 to 32 of A-Z 0-9 . - / ^ =`));
    const body = {
      symbols: words.map((word) => normaliseSymbol(word)!),
      ...(schedule === "cron" ? { cron: String(form.get("cron")).trim() } : { interval: Number(form.get("interval")) }),
      ...(form.get("provider") ? { provider: String(form.get("provider")) } : {}),
      ...(form.get("name") ? { name: String(form.get("name")) } : {}),
    };
    try {
      const { job_id } = await ask("create the job", api.POST("/prices/poll", { body }));
      onClose();
      onCreated(job_id);
    } catch (problem) {
      setError(problem);
    }
  }

  return (
    <Dialog title="New job" onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        <label>Symbols <input name="symbols" required autofocus placeholder="AAPL, BTC-USD" autocapitalize="characters" spellcheck={false} defaultValue={route.value.query.symbols ?? ""} /></label>
        <label>Schedule
          <select value={schedule} onChange={(event) => setSchedule(event.currentTarget.value)}>
            <option value="interval">Every so many seconds</option>
            <option value="cron">By a cron expression</option>
          </select>
        </label>
        {schedule === "interval"
          ? <label>Seconds <input name="interval" type="number" required min={1} max={WINDOW_SECS.month} defaultValue="60" /></label>
          : <label>Cron <input name="cron" required placeholder="*/5 8-17 * * 1-5" spellcheck={false} /></label>}
        <label>Provider
          <select name="provider">
            <option value="">The chain of the asset class</option>
            {providers.filter(({ enabled }) => enabled).map(({ name }) => <option key={name} value={name}>{name}</option>)}
          </select>
        </label>
        <label>Name, if you like <input name="name" maxLength={80} /></label>
        {error !== undefined && <ErrorNote error={error} />}
        <div class="actions"><button type="button" onClick={onClose}>Cancel</button><button type="submit" class="primary">Create</button></div>
      </form>
    </Dialog>
  );
}
