// Times come as RFC 3339 UTC; they are shown in the reader's zone, with UTC on hover.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const full = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

/** Short for today, with the day otherwise, with the year when it is not this one. */
export function localTime(iso: string, now = Date.now()): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const today = new Date(now);
  if (at.toDateString() === today.toDateString()) return clock.format(at);
  return (at.getFullYear() === today.getFullYear() ? dayAndClock : full).format(at);
}

export function utcTitle(iso: string): string {
  return iso.replace("T", " ").replace(/(Z|\+00:00)$/, "") + " UTC";
}

/** `4 s`, `3 min`, `5 h`, `12 d`: one unit, rounded down, so nothing looks fresher than it is by rounding up. */
export function duration(millis: number): string {
  const secs = Math.max(0, Math.floor(millis / 1000));
  if (secs < 60) return `${secs} s`;
  if (secs < 3600) return `${Math.floor(secs / 60)} min`;
  if (secs < 86_400) return `${Math.floor(secs / 3600)} h`;
  return `${Math.floor(secs / 86_400)} d`;
}

/** `90 s`, `5 min`, `2 h`: exact, in the largest unit that has no rest. */
export function spoken(secs: number): string {
  const units = [[86_400, "d"], [3600, "h"], [60, "min"]] as const;
  const [size, unit] = units.find(([size]) => secs >= size && secs % size === 0) ?? [1, "s"];
  return `${secs / size} ${unit}`;
}

/** `1:05` or `2:00:09`, for countdowns. */
export function countdown(millis: number): string {
  const secs = Math.max(0, Math.ceil(millis / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(secs / 3600);
  const minutes = Math.floor((secs % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(secs % 60)}` : `${minutes}:${two(secs % 60)}`;
}

export type Freshness = "live" | "recent" | "stale";

/** The service's own default for how old a quote may be (`quotes.max_age`). */
export const LIVE_MS = 60_000;
export const RECENT_MS = 15 * 60_000;

/** What the service calls stale is stale, however young it looks. */
export function freshness(ageMs: number, saidStale: boolean): Freshness {
  if (saidStale || ageMs >= RECENT_MS) return "stale";
  return ageMs < LIVE_MS ? "live" : "recent";
}

/** Milliseconds for comparing; an unreadable time is older than all others. */
export function instant(iso: string | null | undefined): number {
  const millis = iso ? Date.parse(iso) : Number.NaN;
  return Number.isNaN(millis) ? -Infinity : millis;
}
