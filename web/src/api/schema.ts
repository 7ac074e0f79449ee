// Made by `npm run types` from tests/golden/openapi.json. Do not edit.

import type { Decimal } from "../lib/decimal";

export interface paths {
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Is the process alive? */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ma/{symbol}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The moving average of a symbol, short */
        get: operations["moving_average_short"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Metrics in the text format of Prometheus */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/moving-average/{symbol}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The moving average of a symbol, for old clients
         * @deprecated
         */
        get: operations["moving_average_old"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/poll/{symbol}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask the providers for a symbol now, and store what they say */
        post: operations["poll_now"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Stored prices, newest first */
        get: operations["list_prices"];
        put?: never;
        /**
         * Store a price
         * @description The same price again is answered as the first time with 200. Another value under the same
         *     symbol, source, timestamp and external id is a conflict: correct it with PUT.
         */
        post: operations["store_price"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One price */
        get: operations["get_price"];
        /**
         * Correct a price
         * @description The old value stays in its history.
         */
        put: operations["correct_price"];
        post?: never;
        /**
         * Delete a price
         * @description Its history stays, so that past answers can still be explained.
         */
        delete: operations["delete_price"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/{id}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All versions of a price, oldest first */
        get: operations["price_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/{symbol}/moving-average": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The moving average of a symbol */
        get: operations["moving_average"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/{symbol}/moving-average/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Past moving averages of a symbol, newest first */
        get: operations["moving_average_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Store many prices
         * @description Rows come as a JSON array, as NDJSON or as CSV with a header line, with the fields of
         *     `POST /prices`. A rejected row does not stop the rest. Rows are stored in portions; when the
         *     request ends early, send all of it again: what was stored counts as duplicates.
         */
        post: operations["store_prices"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/delete-all-polling-jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Delete all polling jobs */
        post: operations["delete_all_jobs"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/latest": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The newest price of a symbol */
        get: operations["latest_price"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/ma": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The moving average of a symbol, by query */
        get: operations["moving_average_by_query"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/poll": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All polling jobs */
        get: operations["list_jobs"];
        put?: never;
        /** Start a polling job */
        post: operations["create_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/prices/poll/{job_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One polling job */
        get: operations["get_job"];
        put?: never;
        post?: never;
        /** Delete a polling job */
        delete: operations["delete_job"];
        options?: never;
        head?: never;
        /** Change, pause or resume a polling job */
        patch: operations["change_job"];
        trace?: never;
    };
    "/prices/symbols": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The symbols that have a price, in alphabetical order */
        get: operations["list_symbols"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Can it do its work? */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/symbols": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The symbols that have a price, as a bare array
         * @deprecated
         */
        get: operations["list_symbols_old"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/assets/{asset_type}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Instruments that the providers list */
        get: operations["assets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The audit trail, newest first */
        get: operations["list_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/backup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Everything that is stored, as one file
         * @description What is committed when the backup begins, and nothing later; writes go on meanwhile. A file
         *     without its last line is not whole: `tickerd backup verify` says so.
         */
        get: operations["backup"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/bars/{symbol}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Bars of a symbol
         * @description Made of the prices observed in `[from, to)`: the first `limit` bars when `from` is given,
         *     else the last.
         */
        get: operations["bars"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/dead-letters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Deliveries that were given up, oldest first */
        get: operations["list_dead_letters"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/dead-letters/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One delivery that was given up */
        get: operations["get_dead_letter"];
        put?: never;
        post?: never;
        /** Forget a delivery */
        delete: operations["drop_dead_letter"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/dead-letters/{id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Try a delivery again
         * @description Its original bytes go onto the bus again; the letter is gone when they are safe there. What
         *     still cannot be worked on is parked again as a new letter that tells of this one.
         */
        post: operations["replay_dead_letter"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/dead-letters/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Try all deliveries again that are parked now */
        post: operations["replay_dead_letters"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All keys, the first created first, revoked ones included */
        get: operations["list_keys"];
        put?: never;
        /**
         * Make a key
         * @description Its text is in this answer and nowhere else: only a hash is kept.
         */
        post: operations["create_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke a key
         * @description It is refused within a second, by every process.
         */
        delete: operations["revoke_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/providers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The providers, their breakers and what is left of their budgets */
        get: operations["providers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/providers/{name}/reset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Close a provider's breaker */
        post: operations["reset_provider"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/quotes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Quotes of up to 200 symbols */
        get: operations["quotes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/quotes/{symbol}/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where the newest price of a symbol came from */
        get: operations["explain_quote"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Prices and averages as they are stored, as server-sent events
         * @description `event: price` has `{symbol, price, timestamp, provider, currency, received_at, price_id,
         *     kind}`, where `kind` is `price.recorded`, `price.corrected` or `price.deleted`; `event:
         *     average` has `{symbol, window, moving_average, timestamp}`. The `id` of a message is its
         *     place in the log of changes: sent back as `Last-Event-ID` (or `since`) the stream continues
         *     behind it without gap or double, also over a restart of the service. Where the log no longer
         *     reaches back that far, the first message is `event: reset`: read again what you know.
         *     `event: end` says why the service closes the stream: it stops, the client is too slow, the
         *     store fails, or the key was revoked or has expired. A comment is sent every 15 s.
         */
        get: operations["stream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/system": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What runs here */
        get: operations["system"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/ws": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The messages of `/v1/stream` over a WebSocket
         * @description Each is a text `{"type": …, "id": …, "data": …}`. The service closes with code 1001 when it
         *     stops, 1008 when the client is too slow or its key was revoked or has expired, and 1011 when
         *     the store fails. What a client sends is not read.
         */
        get: operations["stream_ws"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** AcceptedJob */
        AcceptedJob: {
            readonly config: components["schemas"]["JobConfigRecord"] & unknown;
            readonly job_id: string;
            readonly status: string;
        };
        /** Alive */
        Alive: {
            readonly status: string;
        };
        /** AssetPage */
        AssetPage: {
            readonly asset_type: string;
            readonly assets: components["schemas"]["AssetRecord"][];
            /**
             * Format: uint64
             * @description How many match in all
             */
            readonly count: number;
            readonly updated_at?: string | null;
        };
        /** AssetRecord */
        AssetRecord: {
            readonly currency: string;
            readonly exchange?: string | null;
            readonly name: string;
            readonly source: string;
            readonly symbol: string;
        };
        /**
         * AttemptRecord
         * @description One provider that was thought of.
         */
        AttemptRecord: {
            readonly detail?: string | null;
            /**
             * Format: uint64
             * @description Milliseconds the call took; null when none was made
             */
            readonly latency_ms?: number | null;
            /** @description `answered`, or why not: `unknown_symbol`, `rate_limited`, `breaker_open`, `budget_spent` … */
            readonly outcome: string;
            readonly provider: string;
            /** @description When the provider may be asked again */
            readonly until?: string | null;
        };
        /**
         * AuditRecord
         * @description An entry of the trail.
         */
        AuditRecord: {
            /** @description What was done, as `price.create` */
            readonly action: string;
            /** @description The id of a key, or `local`, `configured-key`, `anonymous`, `operator`, `system` */
            readonly actor: string;
            /** @description Where the request came from */
            readonly address?: string | null;
            readonly at: string;
            /** @description SHA-256 over the hash before and all that the entry says; `tickerd audit verify` checks it */
            readonly hash: string;
            /** @description `done`, `unchanged`, `refused: …` */
            readonly outcome: string;
            readonly previous_hash: string;
            readonly request_id?: string | null;
            /**
             * Format: uint64
             * @description From 1, without gaps
             */
            readonly sequence: number;
            /** @description What it was done to */
            readonly target?: string | null;
        };
        /**
         * AverageRecord
         * @description The mean of the last `window` prices.
         */
        AverageRecord: {
            /**
             * Format: decimal
             * @description Exact where the quotient ends, else rounded at the 28th decimal.
             */
            readonly moving_average: Decimal;
            readonly symbol: string;
            /** @description The time of the newest of them, RFC 3339. */
            readonly timestamp: string;
            /**
             * Format: uint16
             * @description How many prices were averaged.
             */
            readonly window: number;
            /**
             * Format: uint16
             * @description The same as `window`.
             */
            readonly window_size: number;
        };
        /**
         * BarList
         * @description Bars of one symbol.
         */
        BarList: {
            /** @description Oldest first; intervals without a price are left out. */
            readonly bars: components["schemas"]["BarRecord"][];
            readonly interval: string;
            readonly symbol: string;
        };
        /**
         * BarRecord
         * @description The prices of one interval in short.
         */
        BarRecord: {
            /** Format: decimal */
            readonly close: Decimal;
            /**
             * Format: uint64
             * @description How many prices the bar was made of.
             */
            readonly count: number;
            /** Format: decimal */
            readonly high: Decimal;
            /** Format: decimal */
            readonly low: Decimal;
            /** Format: decimal */
            readonly open: Decimal;
            /** @description The interval is still open: the bar may change. */
            readonly provisional: boolean;
            /** @description The start of the interval, RFC 3339; its end is not part of it. */
            readonly timestamp: string;
            /**
             * Format: decimal
             * @description The sum of the volumes; null when no price had one.
             */
            readonly volume?: Decimal | null;
        };
        /**
         * BatchReport
         * @description What became of the rows. Rows that count as stored or duplicates are durable.
         */
        BatchReport: {
            /** Format: uint64 */
            readonly duplicates: number;
            /** @description The first 1,000 rejected rows */
            readonly errors: components["schemas"]["RowError"][];
            /** Format: uint64 */
            readonly read: number;
            /** Format: uint64 */
            readonly rejected: number;
            /** Format: uint64 */
            readonly stored: number;
        };
        /** BreakerRecord */
        BreakerRecord: {
            /** Format: uint32 */
            readonly failures: number;
            readonly open_until?: string | null;
            /** @description `closed`, `open` or `half_open` */
            readonly state: string;
        };
        /** BudgetRecord */
        BudgetRecord: {
            /** Format: uint32 */
            readonly limit: number;
            /** Format: uint32 */
            readonly remaining: number;
            readonly resets_at: string;
            /** @description `second`, `minute`, `day` or `month` */
            readonly window: string;
        };
        /** Check */
        Check: {
            /** @description What is the matter */
            readonly detail?: string | null;
            /** @description `ok`, `degraded` or `down` */
            readonly status: string;
        };
        /**
         * CorrectedPrice
         * @description A correction. What names the price (symbol, timestamp, source, `external_id`) may be repeated but
         *     not changed.
         */
        CorrectedPrice: {
            /** @description As it was when absent. */
            currency?: string | null;
            external_id?: string | null;
            /**
             * Format: decimal
             * @description Greater than zero, with at most 15 digits before and 20 after the point.
             */
            price: Decimal;
            raw_data?: unknown;
            source?: string | null;
            symbol?: string | null;
            timestamp?: string | null;
            /** Format: decimal */
            volume?: Decimal | null;
        };
        /**
         * CreatedKey
         * @description A new key. Its text is shown this once and kept nowhere.
         */
        CreatedKey: {
            readonly created_at: string;
            readonly expires_at?: string | null;
            readonly id: string;
            /** @description `tkd_<id>_<secret>` */
            readonly key: string;
            readonly name?: string | null;
            readonly role: string;
        };
        /**
         * DeadLetterRecord
         * @description A delivery that was given up.
         */
        DeadLetterRecord: {
            /**
             * Format: uint32
             * @description How often it was tried, over all replays
             */
            readonly attempts: number;
            /** @description The headers it came with, as pairs of name and value */
            readonly headers: string[][];
            /** @description When it was parked before and replayed since, oldest first */
            readonly history: components["schemas"]["ParkingRecord"][];
            /** Format: uint64 */
            readonly id: number;
            /** @description The symbol, where the message had one */
            readonly key: string;
            /** Format: uint64 */
            readonly offset?: number | null;
            /** @description RFC 3339 */
            readonly parked_at: string;
            /** Format: int32 */
            readonly partition?: number | null;
            /** @description The bytes as text; see `payload_base64` when they are none */
            readonly payload: string;
            /** @description The bytes, when they are not UTF-8 */
            readonly payload_base64?: string | null;
            /** @description Why it was given up the last time */
            readonly reason: string;
            readonly topic?: string | null;
        };
        /** JobConfigRecord */
        JobConfigRecord: {
            readonly cron?: string | null;
            /**
             * Format: uint64
             * @description Seconds between two runs
             */
            readonly interval?: number | null;
            readonly name?: string | null;
            readonly provider?: string | null;
            readonly symbols: string[];
        };
        /**
         * JobPatch
         * @description A change of a job; what is absent stays.
         */
        JobPatch: {
            cron?: string | null;
            /** Format: uint64 */
            interval?: number | null;
            name?: string | null;
            /** @description `paused` or `active` */
            status?: string | null;
            symbols?: string[] | null;
        };
        /**
         * JobRecord
         * @description A polling job and how it went so far.
         */
        JobRecord: {
            readonly config: components["schemas"]["JobConfigRecord"] & unknown;
            readonly created_at: string;
            /** Format: uint64 */
            readonly failures: number;
            /** @description The same as `job_id` */
            readonly id: string;
            readonly job_id: string;
            readonly last_error?: string | null;
            readonly last_run?: string | null;
            readonly next_run?: string | null;
            /**
             * Format: uint64
             * @description Prices stored
             */
            readonly points: number;
            /** Format: uint64 */
            readonly runs: number;
            /** @description `accepted` (not run yet), `active`, `paused` or `failing` */
            readonly status: string;
            /** @description Runs are further apart than asked for, because of this */
            readonly stretched?: string | null;
            /** Format: uint64 */
            readonly successes: number;
        };
        /**
         * KeyRecord
         * @description A key, without its secret.
         */
        KeyRecord: {
            readonly created_at: string;
            /** @description Refused from then on; null for never */
            readonly expires_at?: string | null;
            readonly id: string;
            /** @description Written now and then, not with each use */
            readonly last_used_at?: string | null;
            readonly name?: string | null;
            readonly revoked_at?: string | null;
            /** @description `read`, `write` or `admin` */
            readonly role: string;
        };
        /**
         * LatestRecord
         * @description The newest price of a symbol.
         */
        LatestRecord: {
            readonly currency: string;
            /** Format: decimal */
            readonly price: Decimal;
            readonly provider: string;
            readonly received_at: string;
            /** @description The same as `provider`. */
            readonly source: string;
            /** @description It is older than `max_age`. */
            readonly stale: boolean;
            readonly symbol: string;
            /** @description When the provider observed it, RFC 3339. */
            readonly timestamp: string;
        };
        /**
         * LettersDone
         * @description How many letters were replayed or dropped.
         */
        LettersDone: {
            /** Format: uint64 */
            readonly count: number;
        };
        /**
         * Message
         * @description What was done, in words.
         */
        Message: {
            readonly message: string;
        };
        /**
         * NewJob
         * @description What to poll, and how often.
         */
        NewJob: {
            /** @description A cron pattern in UTC */
            cron?: string | null;
            /**
             * Format: uint64
             * @description Seconds between two runs; with neither this nor `cron` what `fetch.job_interval` says
             */
            interval?: number | null;
            name?: string | null;
            /** @description Only ask this provider */
            provider?: string | null;
            /** @description 1 to 1,000 symbols */
            symbols: string[];
        };
        /**
         * NewKeyBody
         * @description A key to make.
         */
        NewKeyBody: {
            /** @description RFC 3339, in the future; never when absent */
            expires_at?: string | null;
            /** @description What it is for; at most 100 characters */
            name?: string | null;
            /** @description `read`, `write` or `admin` */
            role: string;
        };
        /**
         * NewPrice
         * @description A price to store.
         */
        NewPrice: {
            /** @description Told by the symbol when absent; `GBp`, `ZAc` and `ILA` are hundredths. */
            currency?: string | null;
            /** @description Tells prices apart that share symbol, source and timestamp. */
            external_id?: string | null;
            /**
             * Format: decimal
             * @description Greater than zero, with at most 15 digits before and 20 after the point.
             */
            price: Decimal;
            /** @description Any JSON to keep beside the price. */
            raw_data?: unknown;
            /** @description Who observed it; `manual` when absent. */
            source?: string | null;
            /** @description 1 to 32 characters of `A-Z 0-9 . - / ^ =`, in any case. */
            symbol: string;
            /** @description RFC 3339; now when absent. */
            timestamp?: string | null;
            /** Format: decimal */
            volume?: Decimal | null;
        };
        /**
         * ParkingRecord
         * @description One time that a delivery was parked.
         */
        ParkingRecord: {
            /** Format: uint32 */
            readonly attempts: number;
            /** @description RFC 3339 */
            readonly parked_at: string;
            readonly reason: string;
        };
        /**
         * PriceRecord
         * @description A stored price.
         */
        PriceRecord: {
            readonly currency: string;
            readonly external_id?: string | null;
            /** Format: uint64 */
            readonly id: number;
            /** Format: decimal */
            readonly price: Decimal;
            /** @description JSON that came with the price. */
            readonly raw_data?: unknown;
            /** @description When this version was received, RFC 3339. */
            readonly received_at: string;
            /** @description Who observed it. */
            readonly source: string;
            readonly symbol: string;
            /** @description When the provider observed it, RFC 3339. */
            readonly timestamp: string;
            /**
             * Format: uint32
             * @description 1 for the first; one more with each correction.
             */
            readonly version: number;
            /** Format: decimal */
            readonly volume?: Decimal | null;
        };
        /**
         * Problem
         * @description A problem (RFC 9457).
         */
        Problem: {
            /** @description A stable name for programs to decide on. */
            readonly code: string;
            /** @description What happened this time. */
            readonly detail: string;
            /** @description What is wrong with which part of the input. */
            readonly errors: components["schemas"]["ProblemPart"][];
            /** @description The id of the request, also in `X-Request-Id` and in the log. */
            readonly request_id: string;
            /**
             * Format: uint16
             * @description The HTTP status code.
             */
            readonly status: number;
            /** @description The kind of problem in words, always the same for one `code`. */
            readonly title: string;
            /** @description A URI that names the kind of problem. */
            readonly type: string;
        };
        /**
         * ProblemPart
         * @description What is wrong with one part of the input.
         */
        ProblemPart: {
            readonly detail: string;
            /** @description A JSON pointer into the body (`#/price`), or the name of a query parameter (`?limit`). */
            readonly pointer: string;
        };
        /**
         * ProviderRecord
         * @description A provider and how it does.
         */
        ProviderRecord: {
            readonly asset_classes: string[];
            /** Format: uint64 */
            readonly batch_size?: number | null;
            readonly breaker?: (components["schemas"]["BreakerRecord"] & unknown) | null;
            readonly budgets: components["schemas"]["BudgetRecord"][];
            /** Format: uint64 */
            readonly calls: number;
            readonly enabled: boolean;
            /** Format: uint64 */
            readonly failed_calls: number;
            /** @description Its prices are replayed or simulated */
            readonly invented: boolean;
            readonly last_error?: string | null;
            readonly last_error_at?: string | null;
            /** Format: uint64 */
            readonly last_latency_ms?: number | null;
            readonly name: string;
            /** @description Why it is off */
            readonly reason?: string | null;
            /** @description What is not asked any more, and why, until it is reset or restarted */
            readonly switched_off: string[];
        };
        /**
         * QuoteError
         * @description Why a symbol has no quote.
         */
        QuoteError: {
            readonly code: string;
            readonly detail: string;
            readonly symbol: string;
        };
        /** QuoteList */
        QuoteList: {
            readonly errors: components["schemas"]["QuoteError"][];
            readonly quotes: components["schemas"]["QuoteRecord"][];
        };
        /**
         * QuoteRecord
         * @description The newest price of a symbol and how it moved.
         */
        QuoteRecord: {
            /**
             * Format: decimal
             * @description Against the previous close (stocks, forex) or 24 hours ago (crypto); null when nobody said
             */
            readonly change?: Decimal | null;
            readonly currency: string;
            /** Format: decimal */
            readonly percent_change?: Decimal | null;
            /** Format: decimal */
            readonly price: Decimal;
            readonly source: string;
            readonly stale: boolean;
            readonly symbol: string;
            readonly timestamp: string;
        };
        /** Readiness */
        Readiness: {
            /** @description The parts by name */
            readonly checks: {
                [key: string]: components["schemas"]["Check"];
            };
            /** @description `ready`, `degraded` (works, but a part does not as it should) or `down` */
            readonly status: string;
        };
        /**
         * ReceiptRecord
         * @description Where the newest price came from.
         */
        ReceiptRecord: {
            /**
             * Format: uint64
             * @description Milliseconds since the provider observed it
             */
            readonly age_ms: number;
            /** @description When the providers were last asked */
            readonly asked_at?: string | null;
            /** @description Who was asked then, in order, and why not */
            readonly attempts: components["schemas"]["AttemptRecord"][];
            readonly currency: string;
            /**
             * Format: uint64
             * @description How long the answering call took
             */
            readonly latency_ms?: number | null;
            /** Format: decimal */
            readonly price: Decimal;
            /** Format: uint64 */
            readonly price_id: number;
            readonly provider: string;
            /** @description The raw payload that came with it */
            readonly raw_response_id?: string | null;
            readonly received_at: string;
            readonly stale: boolean;
            readonly symbol: string;
            readonly timestamp: string;
        };
        /**
         * RowError
         * @description Why a row was not stored.
         */
        RowError: {
            readonly detail: string;
            /**
             * Format: uint64
             * @description The line in CSV and NDJSON, the place in a JSON array, from 1
             */
            readonly line: number;
        };
        /**
         * SettingRecord
         * @description A setting and where its value comes from.
         */
        SettingRecord: {
            key: string;
            /** @description `default`, or the file, the variable or the flag that set it */
            origin: string;
            value: unknown;
        };
        /** SymbolList */
        SymbolList: {
            readonly symbols: string[];
        };
        /**
         * SystemRecord
         * @description What runs here.
         */
        SystemRecord: {
            /** Format: uint64 */
            readonly averages: number;
            /** @description Every setting; secrets are masked */
            readonly config: components["schemas"]["SettingRecord"][];
            /** Format: uint64 */
            readonly dead_letters: number;
            /** @description Some prices are replayed or simulated */
            readonly demo: boolean;
            /** @description `edge` or `full` */
            readonly mode: string;
            /** @description Nobody needs a key: only this machine can reach the service, and there is no key yet */
            readonly open: boolean;
            /**
             * Format: uint64
             * @description Events committed and not yet safely on the bus
             */
            readonly outbox: number;
            /** Format: uint64 */
            readonly prices: number;
            /** @description When this process began to serve */
            readonly started_at: string;
            readonly store: string;
            /** Format: uint64 */
            readonly store_bytes: number;
            /** Format: uint64 */
            readonly symbols: number;
            readonly version: string;
        };
        /**
         * VersionRecord
         * @description One version of a price.
         */
        VersionRecord: {
            readonly currency: string;
            /** @description This version says that the price was deleted. */
            readonly deleted: boolean;
            /** Format: decimal */
            readonly price: Decimal;
            /** @description When this version was received, RFC 3339. */
            readonly received_at: string;
            /** @description When the next version took its place; null for the current one. */
            readonly superseded_at?: string | null;
            /** Format: uint32 */
            readonly version: number;
            /** Format: decimal */
            readonly volume?: Decimal | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["Alive"];
                };
            };
        };
    };
    moving_average_short: {
        parameters: {
            query?: {
                window?: number;
            };
            header?: never;
            path: {
                symbol: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["AverageRecord"];
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain; charset=utf-8": string;
                };
            };
        };
    };
    moving_average_old: {
        parameters: {
            query?: {
                window?: number;
            };
            header?: never;
            path: {
                symbol: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["AverageRecord"];
                };
            };
        };
    };
    poll_now: {
        parameters: {
            query?: {
                provider?: string;
            };
            header?: never;
            path: {
                symbol: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["PriceRecord"];
                };
            };
        };
    };
    list_prices: {
        parameters: {
            query?: {
                /** @description What was known at this moment */
                as_of?: string;
                cursor?: string;
                /** @description Observed at this time or later */
                from?: string;
                limit?: number;
                order?: "desc" | "asc";
                provider?: string;
                skip?: number;
                symbol?: string;
                /** @description Observed before this time */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    /** @description The next page, if there is one */
                    LINK?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["PriceRecord"][];
                };
            };
        };
    };
    store_price: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewPrice"];
            };
        };
        responses: {
            /** @description The same price was stored already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["PriceRecord"];
                };
            };
            /** @description Stored now */
            201: {
                headers: {
                    /** @description Where the price is */
                    LOCATION: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["PriceRecord"];
                };
            };
        };
    };
    get_price: {
        parameters: {
            query?: {
                /** @description What was known at this moment */
                as_of?: string;
            };
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["PriceRecord"];
                };
            };
        };
    };
    correct_price: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CorrectedPrice"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["PriceRecord"];
                };
            };
        };
    };
    delete_price: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["Message"];
                };
            };
        };
    };
    price_history: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["VersionRecord"][];
                };
            };
        };
    };
    moving_average: {
        parameters: {
            query?: {
                window?: number;
            };
            header?: never;
            path: {
                symbol: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["AverageRecord"];
                };
            };
        };
    };
    moving_average_history: {
        parameters: {
            query?: {
                /** @description Observed at this time or later */
                from?: string;
                limit?: number;
                /** @description Observed before this time */
                to?: string;
                window?: number;
            };
            header?: never;
            path: {
                symbol: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["AverageRecord"][];
                };
            };
        };
    };
    store_prices: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewPrice"][];
                "application/x-ndjson": string;
                "text/csv": string;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["BatchReport"];
                };
            };
        };
    };
    delete_all_jobs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["Message"];
                };
            };
        };
    };
    latest_price: {
        parameters: {
            query: {
                /** @description What was known at this moment */
                as_of?: string;
                /** @description Seconds after which a price counts as stale */
                max_age?: number;
                /** @description Only prices of this provider */
                provider?: string;
                symbol: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["LatestRecord"];
                };
            };
        };
    };
    moving_average_by_query: {
        parameters: {
            query: {
                symbol: string;
                window?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["AverageRecord"];
                };
            };
        };
    };
    list_jobs: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    /** @description The next page, if there is one */
                    LINK?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["JobRecord"][];
                };
            };
        };
    };
    create_job: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewJob"];
            };
        };
        responses: {
            /** @description The job is stored and will run */
            202: {
                headers: {
                    /** @description Where the job is */
                    LOCATION: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["AcceptedJob"];
                };
            };
        };
    };
    get_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["JobRecord"];
                };
            };
        };
    };
    delete_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["Message"];
                };
            };
        };
    };
    change_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobPatch"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["JobRecord"];
                };
            };
        };
    };
    list_symbols: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["SymbolList"];
                };
            };
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Everything needed works */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["Readiness"];
                };
            };
        };
    };
    list_symbols_old: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": string[];
                };
            };
        };
    };
    assets: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
                /** @description Part of a symbol or name */
                q?: string;
                skip?: number;
            };
            header?: never;
            path: {
                /** @description `stocks`, `crypto` or `forex` */
                asset_type: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    /** @description The next page, if there is one */
                    LINK?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["AssetPage"];
                };
            };
        };
    };
    list_audit: {
        parameters: {
            query?: {
                /** @description Only this action */
                action?: string;
                /** @description Only what this actor did */
                actor?: string;
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    /** @description The next page, if there is one */
                    LINK?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["AuditRecord"][];
                };
            };
        };
    };
    backup: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file: gzipped JSON lines, with a count and a checksum in the last */
            200: {
                headers: {
                    /** @description The name it may be kept under */
                    "CONTENT-DISPOSITION": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/gzip": string;
                };
            };
        };
    };
    bars: {
        parameters: {
            query?: {
                from?: string;
                /** @description 1m when absent */
                interval?: "1m" | "5m" | "15m" | "30m" | "1h" | "4h" | "12h" | "1d" | "1w";
                limit?: number;
                to?: string;
            };
            header?: never;
            path: {
                symbol: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["BarList"];
                };
            };
        };
    };
    list_dead_letters: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    /** @description The next page, if there is one */
                    LINK?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["DeadLetterRecord"][];
                };
            };
        };
    };
    get_dead_letter: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["DeadLetterRecord"];
                };
            };
        };
    };
    drop_dead_letter: {
        parameters: {
            query?: {
                /** @description Why, for those who ask later */
                reason?: string;
            };
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["Message"];
                };
            };
        };
    };
    replay_dead_letter: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["Message"];
                };
            };
        };
    };
    replay_dead_letters: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["LettersDone"];
                };
            };
        };
    };
    list_keys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["KeyRecord"][];
                };
            };
        };
    };
    create_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewKeyBody"];
            };
        };
        responses: {
            /** @description The key opens the service from now on */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["CreatedKey"];
                };
            };
        };
    };
    revoke_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The 12 digits behind `tkd_` */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["Message"];
                };
            };
        };
    };
    providers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["ProviderRecord"][];
                };
            };
        };
    };
    reset_provider: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["ProviderRecord"];
                };
            };
        };
    };
    quotes: {
        parameters: {
            query: {
                /** @description Symbols with commas between them */
                symbols: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["QuoteList"];
                };
            };
        };
    };
    explain_quote: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                symbol: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["ReceiptRecord"];
                };
            };
        };
    };
    stream: {
        parameters: {
            query?: {
                /** @description Deliver at most once in this time (`250ms`), and of prices and averages only the newest */
                conflate?: string;
                /** @description Continue behind this `id`; from now on when left out */
                since?: number;
                /** @description Only these, as `AAPL,BTC-USD,EUR/USD`; all when left out */
                symbols?: string;
                /** @description Only these of `price` and `average`, with a comma between them */
                types?: string;
            };
            header?: {
                /** @description As `since`, and before it: browsers send it when they reconnect */
                "Last-Event-ID"?: number;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
        };
    };
    system: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json; charset=utf-8": components["schemas"]["SystemRecord"];
                };
            };
        };
    };
    stream_ws: {
        parameters: {
            query?: {
                /** @description Deliver at most once in this time (`250ms`), and of prices and averages only the newest */
                conflate?: string;
                /** @description Continue behind this `id`; from now on when left out */
                since?: number;
                /** @description Only these, as `AAPL,BTC-USD,EUR/USD`; all when left out */
                symbols?: string;
                /** @description Only these of `price` and `average`, with a comma between them */
                types?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The connection is a WebSocket from here on */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
}
