// The wire's shapes by the names that the pages use. All but the stream's messages come from the
// service's OpenAPI document (schema.ts, made by `npm run types`).

import type { Decimal } from "../lib/decimal";
import type { components } from "./schema";

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

export type ApiKey = Schemas["KeyRecord"];
export type AuditEntry = Schemas["AuditRecord"];

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
