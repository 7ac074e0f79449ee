// The wire's shapes by the names that the pages use. Nearly all come from the service's OpenAPI
// document (schema.ts, made by `npm run types`); what it cannot say is stated here.

import type { Decimal } from "../lib/decimal";
import type { components, paths as documented } from "./schema";

type Schemas = components["schemas"];

export type Problem = Schemas["Problem"];
export type PriceRecord = Schemas["PriceRecord"];
export type PriceVersion = Schemas["VersionRecord"];
export type Quote = Schemas["QuoteRecord"];
export type Receipt = Schemas["ReceiptRecord"];
export type MovingAverage = Schemas["AverageRecord"];
export type Asset = Schemas["AssetRecord"];
export type Bar = Schemas["BarRecord"];
export type Job = Schemas["JobRecord"];
export type NewJob = Schemas["NewJob"];
export type Provider = Schemas["ProviderRecord"];
export type Budget = Schemas["BudgetRecord"];
export type System = Schemas["SystemRecord"];
export type Ready = Schemas["Readiness"];
export type DeadLetter = Schemas["DeadLetterRecord"];

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
  responses: Record<Status, { content: { "application/json": Body } }>;
}
interface Query<Q> { parameters: { query?: Q } }
interface Path<P> { parameters: { path: P } }
interface Body<B> { requestBody: { content: { "application/json": B } } }
interface NoParameters { parameters: { query?: never } }

/** The document's paths, and those that the dashboard knows before they are in it. */
export interface paths extends documented {
  "/v1/keys": {
    get: NoParameters & Answer<ApiKey[]>;
    post: NoParameters & Body<{ name?: string; role: Role; expires_at?: string }> & Answer<{ id: string; key: string }, 201>;
  };
  "/v1/keys/{id}": { delete: Path<{ id: string }> & Answer<unknown> };
  "/v1/audit": { get: Query<{ limit?: number; cursor?: string }> & Answer<AuditEntry[]> };
}
