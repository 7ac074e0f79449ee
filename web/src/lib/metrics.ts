// The Prometheus text format, as far as the pipeline page needs it, and the names it looks for.

export type Sample = Map<string, number>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;

/** Sums of each name over its labels, and of each name with one label pair: `name{k="v"}`. */
export function parseMetrics(text: string): Sample {
  const sums: Sample = new Map();
  const add = (key: string, value: number) => sums.set(key, (sums.get(key) ?? 0) + value);
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (!found) continue;
    const value = Number(found[3]);
    if (!Number.isFinite(value)) continue;
    add(found[1]!, value);
    for (const [pair] of (found[2] ?? "").matchAll(/\w+="(?:[^"\\]|\\.)*"/g)) add(`${found[1]}{${pair}}`, value);
  }
  return sums;
}

/**
 * The quantities of the pipeline page and the metrics that carry them, best first. docs/metrics.md
 * is not written yet: when it is, each list shrinks to one name.
 */
export const QUANTITIES = {
  ingested: ['tickerd_ingest_prices_total{outcome="stored"}', "tickerd_ingest_prices_total", "tickerd_prices_ingested_total", "tickerd_ingested_total"],
  duplicates: ['tickerd_ingest_prices_total{outcome="duplicate"}', "tickerd_ingest_duplicates_total", "tickerd_duplicates_total"],
  published: ["tickerd_relay_published_total", "tickerd_bus_published_total", "tickerd_outbox_published_total"],
  averages: ["tickerd_averages_written_total", "tickerd_averages_total", "tickerd_averager_averages_total"],
  outbox: ["tickerd_outbox_depth", "tickerd_outbox_entries", "tickerd_outbox_events"],
  lag: ["tickerd_bus_lag", "tickerd_consumer_lag", "tickerd_bus_lag_events"],
  deadLetters: ["tickerd_dead_letters", "tickerd_dead_letters_total"],
} as const;

export type Quantity = keyof typeof QUANTITIES;

export function read(sample: Sample, quantity: Quantity): number | undefined {
  for (const name of QUANTITIES[quantity]) {
    const value = sample.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

export interface Reading {
  at: number;
  sample: Sample;
}

/** Per second between two readings; none over a restart, when counters begin anew. */
export function rate(quantity: Quantity, before: Reading | undefined, after: Reading | undefined): number | undefined {
  if (!before || !after || after.at <= before.at) return undefined;
  const from = read(before.sample, quantity);
  const to = read(after.sample, quantity);
  if (from === undefined || to === undefined || to < from) return undefined;
  return ((to - from) * 1000) / (after.at - before.at);
}
