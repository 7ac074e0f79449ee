// The HTTP contract of DESIGN.md section 4, written by hand in the shape that openapi-typescript
// gives, until it can be generated from tests/golden/openapi.json (map `format: decimal` to
// `Decimal` with its `transform` hook). Nothing outside this file states a wire shape.
// Fields marked "assumed" are not spelled out in the design; pages cope with their absence.

import type { Decimal } from "../lib/decimal";

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  request_id?: string;
  errors?: { pointer: string; detail: string }[];
}

export interface LatestPrice {
  symbol: string;
  price: Decimal;
  timestamp: string;
  provider: string;
  source?: string;
  currency: string;
  received_at: string;
  stale: boolean;
}

export interface PriceRecord {
  id: number;
  symbol: string;
  price: Decimal;
  volume: Decimal | null;
  timestamp: string;
  source: string;
  currency: string;
  external_id: string | null;
  received_at: string;
  version: number;
  raw_data?: unknown;
}

export interface PriceVersion {
  version: number;
  price: Decimal;
  volume: Decimal | null;
  currency: string;
  received_at: string;
  /** Assumed: when a later version took its place; null for the current one. */
  superseded_at?: string | null;
  /** Assumed: the version is a deletion. */
  deleted?: boolean;
}

export interface Quote {
  symbol: string;
  price: Decimal;
  change: Decimal | null;
  percent_change: Decimal | null;
  source: string;
  timestamp: string;
  currency: string;
  stale: boolean;
  received_at?: string;
}

export interface QuoteFailure {
  symbol: string;
  code: string;
  detail: string;
}

/** All but `symbol` assumed; the drawer prints fields that it does not know too. */
export interface Receipt {
  symbol: string;
  price?: Decimal;
  currency?: string;
  provider?: string;
  timestamp?: string;
  received_at?: string;
  age_ms?: number;
  latency_ms?: number | null;
  stale?: boolean;
  from?: string;
  raw_response_id?: string | number | null;
  attempts?: { provider: string; outcome: string; detail?: string | null; latency_ms?: number | null }[];
}

export interface MovingAverage {
  symbol: string;
  moving_average: Decimal;
  window_size?: number;
  window: number;
  timestamp: string;
}

export interface Asset {
  symbol: string;
  name: string;
  exchange: string | null;
  currency: string;
  source: string;
}

export interface AssetList {
  asset_type: string;
  count: number;
  assets: Asset[];
  updated_at: string | null;
}

export interface Bar {
  /** Assumed: the start of the bar's interval. */
  timestamp: string;
  open: Decimal;
  high: Decimal;
  low: Decimal;
  close: Decimal;
  volume: Decimal | null;
  provisional?: boolean;
}

export interface JobConfig {
  symbols: string[];
  interval?: number | null;
  cron?: string | null;
  provider?: string | null;
  name?: string | null;
}

export type JobStatus = "accepted" | "active" | "paused" | "failing";

export interface Job {
  job_id: string;
  id: string;
  config: JobConfig;
  status: JobStatus;
  runs: number;
  successes: number;
  failures: number;
  last_run: string | null;
  next_run: string | null;
  last_error: string | null;
  points: number;
}

export interface Budget {
  window: string;
  limit: number;
  remaining: number;
  resets_at?: string | null;
}

/** Below `name`, all assumed. */
export interface Provider {
  name: string;
  enabled: boolean;
  reason?: string | null;
  asset_classes?: string[];
  batch_size?: number;
  invented?: boolean;
  breaker?: { state: "closed" | "open" | "half_open"; failures?: number; open_until?: string | null };
  budgets?: Budget[];
  latency_ms?: { p50?: number | null; p95?: number | null } | number | null;
  last_success?: string | null;
  last_error?: { class?: string; detail: string; at?: string | null } | string | null;
}

/** Assumed but for reason, attempts, original bytes and headers. */
export interface DeadLetter {
  id: string | number;
  key?: string;
  topic?: string;
  partition?: number;
  offset?: number;
  reason: string;
  attempts: number;
  parked_at?: string;
  payload?: string;
  headers?: Record<string, string> | string[][];
}

/** Assumed. */
export interface ApiKey {
  id: string;
  name?: string | null;
  role: Role;
  created_at?: string;
  expires_at?: string | null;
  last_used_at?: string | null;
  revoked_at?: string | null;
}

export type Role = "read" | "write" | "admin";

/** Assumed. */
export interface AuditEntry {
  sequence: number;
  at: string;
  actor: string;
  action: string;
  target?: string | null;
  outcome?: string | null;
  hash: string;
  previous_hash: string;
}

/** `version`, `mode` and `demo` as agreed; the rest assumed. */
export interface System {
  version: string;
  mode: string;
  demo: boolean;
  open?: boolean;
  started_at?: string;
  roles?: string[];
  config?: { key: string; value: unknown; origin: string }[];
  [other: string]: unknown;
}

/** Assumed: `checks` by name. */
export interface Ready {
  status: string;
  checks?: Record<string, { status: string; detail?: string | null } | string>;
}

/** The data of an SSE message of type `price`. */
export interface PriceMessage {
  kind: "price.recorded" | "price.corrected" | "price.deleted";
  symbol: string;
  price: Decimal;
  timestamp: string;
  provider: string;
  currency: string;
  received_at: string;
  price_id: number;
}

/** The data of an SSE message of type `average`. */
export interface AverageMessage {
  symbol: string;
  window: number;
  moving_average: Decimal;
  timestamp: string;
}

interface Answer<Body, Status extends number = 200> {
  responses: Record<Status, { content: { "application/json": Body } }> & {
    default: { content: { "application/problem+json": Problem } };
  };
}
interface Query<Q> { parameters: { query?: Q } }
interface Path<P, Q = never> { parameters: { path: P; query?: Q } }
interface Body<B> { requestBody: { content: { "application/json": B } } }
interface NoParameters { parameters: { query?: never } }

export interface paths {
  "/prices/latest": { get: Query<{ symbol: string; provider?: string }> & Answer<LatestPrice> };
  "/prices": {
    get: Query<{ symbol?: string; from?: string; to?: string; limit?: number; cursor?: string; as_of?: string }> & Answer<PriceRecord[]>;
  };
  "/prices/{id}/history": { get: Path<{ id: number }> & Answer<PriceVersion[]> };
  "/prices/symbols": { get: NoParameters & Answer<{ symbols: string[] }> };
  "/prices/{symbol}/moving-average/history": {
    get: Path<{ symbol: string }, { window?: number; from?: string; to?: string; limit?: number }> & Answer<MovingAverage[]>;
  };
  "/prices/poll": {
    get: Query<{ limit?: number }> & Answer<Job[]>;
    post: NoParameters & Body<JobConfig> & Answer<{ job_id: string; status: string; config: JobConfig }, 202>;
  };
  "/prices/poll/{job_id}": {
    patch: Path<{ job_id: string }> & Body<{ status: "active" | "paused" }> & Answer<Job>;
    delete: Path<{ job_id: string }> & Answer<unknown>;
  };
  "/poll/{symbol}": { post: Path<{ symbol: string }, { provider?: string }> & Answer<PriceRecord> };
  "/v1/quotes": { get: Query<{ symbols: string }> & Answer<{ quotes: Quote[]; errors: QuoteFailure[] }> };
  "/v1/quotes/{symbol}/explain": { get: Path<{ symbol: string }> & Answer<Receipt> };
  "/v1/assets/{asset_type}": {
    get: Path<{ asset_type: "stocks" | "crypto" | "forex" }, { q?: string; limit?: number }> & Answer<AssetList>;
  };
  "/v1/bars/{symbol}": {
    get: Path<{ symbol: string }, { interval?: string; from?: string; to?: string; limit?: number }> & Answer<Bar[] | { bars: Bar[] }>;
  };
  "/v1/providers": { get: NoParameters & Answer<Provider[] | { providers: Provider[] }> };
  "/v1/providers/{name}/reset": { post: Path<{ name: string }> & Answer<unknown> };
  "/v1/dead-letters": { get: Query<{ limit?: number }> & Answer<DeadLetter[]> };
  "/v1/dead-letters/{id}/replay": { post: Path<{ id: string | number }> & Answer<unknown> };
  "/v1/dead-letters/{id}": { delete: Path<{ id: string | number }> & Answer<unknown> };
  "/v1/keys": {
    get: NoParameters & Answer<ApiKey[]>;
    post: NoParameters & Body<{ name?: string; role: Role; expires_at?: string }> & Answer<{ id: string; key: string }, 201>;
  };
  "/v1/keys/{id}": { delete: Path<{ id: string }> & Answer<unknown> };
  "/v1/audit": { get: Query<{ limit?: number; cursor?: string }> & Answer<AuditEntry[]> };
  "/v1/system": { get: NoParameters & Answer<System> };
  "/ready": { get: NoParameters & Answer<Ready> };
}
