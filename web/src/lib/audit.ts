// Each audit entry carries the hash of the one before it. The page can only see that neighbours fit;
// that each hash is right is for `tickerd audit verify`, which has the whole trail.

import type { AuditEntry } from "../api/types";

export type ChainState = { name: "linked"; count: number } | { name: "broken"; at: number } | { name: "unknown" };

export function chainState(entries: readonly AuditEntry[]): ChainState {
  const inOrder = [...entries].sort((a, b) => a.sequence - b.sequence);
  if (inOrder.length === 0 || inOrder.some(({ hash, previous_hash }) => !hash || !previous_hash)) return { name: "unknown" };
  for (let n = 1; n < inOrder.length; n += 1) {
    const entry = inOrder[n]!;
    const before = inOrder[n - 1]!;
    if (entry.sequence !== before.sequence + 1 || entry.previous_hash !== before.hash) return { name: "broken", at: entry.sequence };
  }
  return { name: "linked", count: inOrder.length };
}
