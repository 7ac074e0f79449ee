// The small words of the page: times, badges, meters, notes. Each says its meaning in text or shape;
// colour only repeats it.

import type { ComponentChildren } from "preact";
import { Failure } from "../api/client";
import { countdown, duration, instant, localTime, utcTitle } from "../lib/time";
import { isInvented } from "../state/system";
import { now } from "../state/now";

export function Time({ iso }: { iso: string | null | undefined }) {
  if (!iso) return <span class="muted">never</span>;
  return <time dateTime={iso} title={utcTitle(iso)}>{localTime(iso, now.value)}</time>;
}

/** How long ago; ticks with the page's clock. */
export function Ago({ iso }: { iso: string | null | undefined }) {
  if (!iso) return <span class="muted">never</span>;
  return <time dateTime={iso} title={`${localTime(iso)} · ${utcTitle(iso)}`}>{duration(now.value - instant(iso))} ago</time>;
}

export function Countdown({ until, due = "now" }: { until: string | null | undefined; due?: string }) {
  if (!until) return <span class="muted">–</span>;
  const left = instant(until) - now.value;
  return <time dateTime={until} title={`${localTime(until)} · ${utcTitle(until)}`}>{left > 0 ? `in ${countdown(left)}` : due}</time>;
}

export type Tone = "good" | "warn" | "bad" | "plain";

const MARK: Record<Tone, string> = { good: "●", warn: "▲", bad: "■", plain: "○" };

/** A state in a word, with a shape of its own beside the colour. */
export function State({ tone, children, title }: { tone: Tone; children: ComponentChildren; title?: string }) {
  return (
    <span class={`state state-${tone}`} title={title}>
      <span aria-hidden="true">{MARK[tone]}</span> {children}
    </span>
  );
}

const BADGE_TITLES: Record<string, string | undefined> = {
  replay: "Real prices of past years, played back as if they were live",
  simulated: "Invented prices, not a market",
};

export function ProviderBadge({ name }: { name: string | undefined }) {
  if (!name) return null;
  const invented = isInvented(name);
  return <span class={invented ? "badge badge-invented" : "badge"} title={BADGE_TITLES[name] ?? "The provider of this price"}>{name}</span>;
}

export function Meter({ label, used, limit, note }: { label: string; used: number; limit: number; note: string }) {
  const share = limit > 0 ? used / limit : 0;
  const tone = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "good";
  return (
    <div class="meter">
      <span class="meter-label">{label}</span>
      <svg class={`meter-bar tone-${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="meter-track" width="100" height="6" />
        <rect class="meter-fill" width={Math.min(100, share * 100)} height="6" />
      </svg>
      <span class="meter-note">{note}</span>
    </div>
  );
}

export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const message = error instanceof Error ? error.message : String(error);
  const requestId = error instanceof Failure ? error.requestId : undefined;
  return (
    <div class="note note-bad" role="alert">
      <span>
        <strong aria-hidden="true">■ </strong>
        {message}
        {requestId && <span class="muted"> Request <code>{requestId}</code></span>}
      </span>
      {onRetry && <button type="button" onClick={onRetry}>Try again</button>}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return <p class="loading" role="status">Loading {what}…</p>;
}

/** A figure and its name, for the strips above the tables. */
export function Figure({ name, children, title }: { name: string; children: ComponentChildren; title?: string }) {
  return (
    <div class="figure" title={title}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
