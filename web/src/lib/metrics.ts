// The Prometheus text format, as far as the pipeline page needs it, and the names it looks for.

export type Sample = Map<string, number>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{.*\})?\s+(\S+)/;

/** The sum of each name over its labels. */
export function parseMetrics(text: string): Sample {
  const sums: Sample = new Map();
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (!found) continue;
    const [, name, written] = found;
    const value = Number(written);
    if (Number.isFinite(value)) sums.set(name!, (sums.get(name!) ?? 0) + value);
  }
  return sums;
}

/** The quantities of the pipeline page and the metrics that carry them (src/telemetry/metrics.rs). */
export const QUANTITIES = {
  ingested: "tickerd_prices_stored_total",
  duplicates: "tickerd_prices_duplicate_total",
  published: "tickerd_events_published_total",
  averages: "tickerd_averages_stored_total",
  outbox: "tickerd_outbox_depth",
  lag: "tickerd_bus_lag",
} as const;

export type Quantity = keyof typeof QUANTITIES;

export function read(sample: Sample, quantity: Quantity): number | undefined {
  return sample.get(QUANTITIES[quantity]);
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
