// What jobs will ask of each provider's budget. Jobs on a chain or a cron line are left out: whom
// and when they ask is not known beforehand.

import type { Job, Provider } from "../api/types";

export const WINDOW_SECS: Record<string, number> = { second: 1, minute: 60, day: 86_400, month: 2_592_000 };

export interface PlanLine {
  provider: string;
  window: string;
  calls: number;
  limit: number;
}

export function plan(jobs: readonly Job[], providers: readonly Provider[]): PlanLine[] {
  const lines: PlanLine[] = [];
  for (const { name, budgets, batch_size } of providers) {
    const running = jobs.filter(({ config, status }) => config.provider === name && config.interval && status !== "paused");
    if (running.length === 0) continue;
    for (const { window, limit } of budgets) {
      const secs = WINDOW_SECS[window];
      if (!secs) continue;
      const calls = running.reduce((sum, { config }) => sum + (Math.ceil(config.symbols.length / (batch_size ?? 1)) * secs) / config.interval!, 0);
      lines.push({ provider: name, window, calls, limit });
    }
  }
  return lines;
}
