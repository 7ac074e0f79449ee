// A store with dead letters in it. On the in-process bus nothing undecodable can arrive from
// outside, so they come from where they may lie for long: a backup.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

const LETTERS = [
  { reason: "not an event: expected value at line 1 column 1", key: "BTC-USD", payload: "price of BTC-USD: <b>45000</b>" },
  { reason: "the schema version 99 is unknown", key: "EUR/USD", payload: '{"schema_version":99,"symbol":"EUR/USD"}' },
];

/** For `Service.start({ before })`: fills the data directory before the service opens it. */
export async function restoreDeadLetters(service) {
  const empty = join(service.directory, "empty.backup");
  const file = join(service.directory, "letters.backup");
  const directory = join(service.directory, "empty");
  const nothing = join(service.directory, "nothing.csv");
  writeFileSync(nothing, "symbol,price,timestamp\n");
  // Only an import makes a store where there is none.
  await service.run("import", nothing, "--data-dir", directory);
  await service.run("backup", empty, "--data-dir", directory);
  writeFileSync(file, withLetters(readFileSync(empty)));
  await service.run("restore", file, "--data-dir", service.directory);
}

/** The backup with two dead letters more, and its last line made right for them. */
function withLetters(backup) {
  const lines = gunzipSync(backup).toString("utf8").split("\n").filter(Boolean).slice(0, -1);
  LETTERS.forEach(({ payload, ...letter }, n) => {
    const line = { kind: "dead_letter", id: n + 1, attempts: 5, headers: [["message_id", `e2e-${n + 1}`]], parked_at: "2026-01-05T10:00:00Z", payload: [...Buffer.from(payload)], ...letter };
    lines.push(JSON.stringify(line));
  });
  const body = lines.map((line) => `${line}\n`).join("");
  const end = { kind: "end", records: lines.length, sha256: createHash("sha256").update(body).digest("hex") };
  return gzipSync(`${body}${JSON.stringify(end)}\n`);
}
