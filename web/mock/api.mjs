// The mock's answers.

import { createHash, randomUUID } from "node:crypto";
import { classOf, decimal, wire } from "./prices.mjs";

const SECS = { "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14_400, "12h": 43_200, "1d": 86_400, "1w": 604_800 };
const ago = (secs) => new Date(Date.now() - secs * 1000).toISOString();
const hence = (secs) => ago(-secs);

export function createApi(market, { key } = {}) {
  seed(market);
  const started = ago(86_400 * 3 + 4000);

  const routes = [
    ["GET", "/health", () => ({ status: "healthy" })],
    ["GET", "/ready", () => ({ status: "ready", checks: { store: { status: "ok", detail: "redb, 41 MB" }, cache: { status: "ok" }, bus: { status: "ok", detail: "channel" }, migrations: { status: "ok", detail: "version 4" } } })],
    ["GET", "/prices/symbols", () => ({ symbols: [...market.stored.keys()] })],
    ["GET", "/v1/quotes", ({ query }) => {
      const quotes = [], errors = [];
      for (const symbol of query.get("symbols").split(",")) {
        const one = market.add(symbol);
        if (one) quotes.push(market.quote(one));
        else errors.push({ symbol, code: "unknown-symbol", detail: `no provider lists ${symbol}` });
      }
      return { quotes, errors };
    }],
    ["GET", "/v1/quotes/:symbol/explain", ({ params }) => {
      const one = known(params.symbol);
      return {
        symbol: one.symbol, price: decimal(one.ticks, one.scale), currency: one.currency, provider: "simulated", from: "stored price",
        timestamp: new Date(one.at).toISOString(), received_at: new Date(one.at + 84).toISOString(), age_ms: Date.now() - one.at, latency_ms: 84, stale: false, raw_response_id: "r_01JD3",
        attempts: [{ provider: "finnhub", outcome: "skipped", detail: "no key is set" }, { provider: "yahoo", outcome: "rate_limited", detail: "breaker open for another 212 s", latency_ms: 41 }, { provider: "simulated", outcome: "answered", latency_ms: 84 }],
      };
    }],
    ["GET", "/v1/assets/:type", ({ params, query }) => {
      const q = (query.get("q") ?? "").toUpperCase();
      const assets = market.listed.filter((one) => classOf(one.symbol) === params.type && (one.symbol.includes(q) || one.name.toUpperCase().includes(q)))
        .slice(0, Number(query.get("limit") ?? 100)).map(({ symbol, name, exchange, currency }) => ({ symbol, name, exchange, currency, source: "simulated" }));
      return { asset_type: params.type, count: assets.length, assets, updated_at: ago(7200) };
    }],
    ["GET", "/v1/bars/:symbol", ({ params, query }) => {
      const secs = SECS[query.get("interval") ?? "1m"];
      if (!secs) fail(422, "invalid-query", "an interval is one of " + Object.keys(SECS).join(", "));
      const bars = market.bars(known(params.symbol), secs, Date.parse(query.get("from") ?? ago(secs * 300)));
      return { symbol: params.symbol, interval: query.get("interval") ?? "1m", bars };
    }],
    ["GET", "/prices", ({ query }) => {
      const one = known(query.get("symbol"));
      return [...one.recent].reverse().slice(0, Number(query.get("limit") ?? 100)).map((price, n) => ({
        id: price.id, symbol: one.symbol, price: decimal(price.ticks, one.scale), volume: n % 3 ? null : decimal(1200 + n, 0), timestamp: new Date(price.at).toISOString(), source: "simulated",
        currency: one.currency, external_id: null, received_at: new Date(price.at + 90).toISOString(), version: price.id % 9 === 0 ? 2 : 1, raw_data: null,
      }));
    }],
    ["GET", "/prices/:id/history", ({ params }) => {
      const one = [...market.stored.values()].find(({ recent }) => recent.some(({ id }) => id === Number(params.id)));
      const { ticks, at } = one.recent.find(({ id }) => id === Number(params.id));
      const version = (n, more, from, until) => ({ version: n, price: decimal(ticks + more, one.scale), volume: null, currency: one.currency, received_at: new Date(at + from).toISOString(), superseded_at: until });
      return [version(2, 0, 60_000, null), version(1, 120, 90, new Date(at + 60_000).toISOString())];
    }],
    ["GET", "/prices/:symbol/moving-average/history", ({ params, query }) => {
      const averages = market.averages(known(params.symbol), Number(query.get("window") ?? 5));
      return averages.slice(-Number(query.get("limit") ?? 100)).reverse();
    }],
    ["GET", "/prices/poll", () => [...market.jobs.values()]],
    ["POST", "/prices/poll", ({ body }) => {
      if (!body.symbols?.length) fail(422, "invalid-body", "the body is not valid", [{ pointer: "/symbols", detail: "must name at least one symbol" }]);
      const job_id = `poll_${market.nextJob++}`;
      market.jobs.set(job_id, job(job_id, body, { status: "accepted", next_run: hence(body.interval ?? 60) }));
      return [202, { job_id, status: "accepted", config: body }];
    }],
    ["PATCH", "/prices/poll/:id", ({ params, body }) => Object.assign(jobOf(params.id), { status: body.status, next_run: body.status === "paused" ? null : hence(30) })],
    ["DELETE", "/prices/poll/:id", ({ params }) => (jobOf(params.id), market.jobs.delete(params.id), { message: "deleted" })],
    ["POST", "/poll/:symbol", ({ params }) => (known(params.symbol), market.tick(params.symbol), [201, { symbol: params.symbol }])],
    ["GET", "/v1/providers", () => ({ providers: market.providers })],
    ["POST", "/v1/providers/:name/reset", ({ params }) => {
      Object.assign(market.providers.find(({ name }) => name === params.name).breaker, { state: "closed", failures: 0, open_until: null });
      return { message: "reset" };
    }],
    ["GET", "/v1/dead-letters", () => market.letters],
    ["POST", "/v1/dead-letters/:id/replay", ({ params }) => (dropLetter(params.id), [202, { message: "replayed" }])],
    ["DELETE", "/v1/dead-letters/:id", ({ params }) => (dropLetter(params.id), { message: "dropped" })],
    ["GET", "/v1/keys", () => market.keys],
    ["POST", "/v1/keys", ({ body }) => {
      const id = randomUUID().slice(0, 8);
      market.keys.push({ id, ...body, created_at: ago(0), expires_at: body.expires_at ?? null, last_used_at: null, revoked_at: null });
      return [201, { id, key: `tkd_${id}_${randomUUID().replaceAll("-", "")}` }];
    }],
    ["DELETE", "/v1/keys/:id", ({ params }) => ((market.keys.find(({ id }) => id === params.id).revoked_at = ago(0)), { message: "revoked" })],
    ["GET", "/v1/audit", () => [...market.audit].reverse()],
    ["GET", "/v1/system", () => ({ version: "0.1.0-mock", mode: "edge", demo: true, open: !key, started_at: started, roles: ["api", "poller", "relay", "averager"], data_dir: "data", config: market.config })],
  ].map(([method, path, act]) => ({ method, act, shape: new RegExp(`^${path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}/?$`) }));

  function known(symbol) {
    return market.add(symbol) ?? fail(404, "unknown-symbol", `nothing is known of ${symbol}`);
  }
  const jobOf = (id) => market.jobs.get(id) ?? fail(404, "unknown-job", `there is no job ${id}`);
  function dropLetter(id) {
    const at = market.letters.findIndex((letter) => String(letter.id) === id);
    if (at < 0) fail(404, "unknown-dead-letter", `there is no dead letter ${id}`);
    market.letters.splice(at, 1);
  }

  /** True when the request was for the API. */
  return async function api(request, response, url) {
    const isApi = /^\/(v1|prices|poll|metrics|ready|health)(\/|$)/.test(url.pathname);
    if (!isApi) return false;
    try {
      const open = ["/health", "/ready", "/metrics"].includes(url.pathname);
      if (key && !open && request.headers.authorization !== `Bearer ${key}`) fail(401, "unauthorized", "an API key is needed");
      if (url.pathname === "/metrics") response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4" }).end(metrics(market));
      else if (url.pathname === "/v1/stream") stream(market, request, response, url);
      else await reply(routes, request, response, url);
    } catch (problem) {
      const { status = 500, code = "internal", detail = String(problem), errors } = problem;
      const body = { type: `/problems/${code}`, title: code, status, detail, code, request_id: randomUUID(), errors };
      response.writeHead(status, { "Content-Type": "application/problem+json" }).end(wire(body));
    }
    return true;
  };
}

async function reply(routes, request, response, url) {
  for (const { method, shape, act } of routes) {
    const found = shape.exec(url.pathname);
    if (!found || method !== request.method) continue;
    let text = "";
    for await (const chunk of request) text += chunk;
    const params = Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]));
    const answer = act({ params, query: url.searchParams, body: text ? JSON.parse(text) : undefined });
    const [status, body] = Array.isArray(answer) && typeof answer[0] === "number" && answer.length === 2 ? answer : [200, answer];
    return response.writeHead(status, { "Content-Type": "application/json" }).end(wire(body));
  }
  fail(404, "not-found", `no such path: ${request.method} ${url.pathname}`);
}

function stream(market, request, response, url) {
  const symbols = new Set((url.searchParams.get("symbols") ?? "").split(",").filter(Boolean));
  const types = new Set((url.searchParams.get("types") ?? "price,average").split(","));
  const wanted = ({ type, symbol }) => types.has(type) && (symbols.size === 0 || symbols.has(symbol));
  const send = (message) => wanted(message) && response.write(`event: ${message.type}\nid: ${message.id}\ndata: ${message.data}\n\n`);
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.write("retry: 500\n\n");
  const after = Number(request.headers["last-event-id"] ?? market.sequence);
  for (const message of market.log) if (message.id > after) send(message);
  market.listeners.add(send);
  const heartbeat = setInterval(() => response.write(": heartbeat\n\n"), 10_000);
  response.on("close", () => (clearInterval(heartbeat), market.listeners.delete(send)));
}

function metrics({ counters, letters }) {
  const wave = Math.round(6 + 5 * Math.sin(Date.now() / 9000));
  return [
    ["tickerd_ingest_prices_total", 'outcome="stored"', counters.ingested], ["tickerd_ingest_prices_total", 'outcome="duplicate"', counters.duplicates],
    ["tickerd_relay_published_total", "", counters.published], ["tickerd_averages_written_total", "", counters.averages],
    ["tickerd_outbox_depth", "", wave], ["tickerd_bus_lag", "", Math.max(0, wave - 4)], ["tickerd_dead_letters", "", letters.length],
  ].map(([name, labels, value]) => `${name}${labels && `{${labels}}`} ${value}`).join("\n") + "\n";
}

function fail(status, code, detail, errors) {
  throw { status, code, detail, errors };
}

function job(job_id, config, more = {}) {
  return { job_id, id: job_id, config, status: "active", runs: 0, successes: 0, failures: 0, last_run: null, next_run: hence(45), last_error: null, points: 0, ...more };
}

function seed(market) {
  market.nextJob = 4;
  market.jobs.set("poll_1", job("poll_1", { symbols: ["AAPL", "MSFT", "NVDA"], interval: 60, name: "Big three" }, { runs: 1440, successes: 1437, failures: 3, last_run: ago(14), points: 4311 }));
  market.jobs.set("poll_2", job("poll_2", { symbols: ["BTC-USD", "ETH-USD"], interval: 30, provider: "coingecko" }, { status: "failing", runs: 210, successes: 160, failures: 50, last_run: ago(8), points: 320, last_error: "coingecko: rate_limited: 30 calls a minute are used up" }));
  market.jobs.set("poll_3", job("poll_3", { symbols: ["EUR/USD"], cron: "0 8-17 * * 1-5", provider: "alphavantage", name: "Office hours" }, { status: "paused", next_run: null, runs: 90, successes: 90, last_run: ago(52_000), points: 90 }));
  const provider = (name, asset_classes, budgets, more = {}) => ({ name, enabled: true, reason: null, asset_classes, batch_size: 1, invented: false, breaker: { state: "closed", failures: 0, open_until: null }, budgets, latency_ms: { p50: 84, p95: 212 }, last_success: ago(12), last_error: null, ...more });
  market.providers = [
    provider("simulated", ["equity", "crypto", "forex"], [], { invented: true, batch_size: 200, latency_ms: { p50: 0, p95: 1 } }),
    provider("yahoo", ["equity", "crypto", "forex"], [{ window: "minute", limit: 60, remaining: 41, resets_at: hence(31) }], { batch_size: 50, breaker: { state: "open", failures: 5, open_until: hence(212) }, last_error: { class: "upstream_error", detail: "502 after 1.2 s", at: ago(88) } }),
    provider("coingecko", ["crypto"], [{ window: "minute", limit: 30, remaining: 0, resets_at: hence(12) }, { window: "month", limit: 10_000, remaining: 1812, resets_at: hence(86_400 * 9) }], { batch_size: 250, breaker: { state: "half_open", failures: 5, open_until: null }, last_error: { class: "rate_limited", detail: "30 calls a minute are used up", at: ago(8) } }),
    provider("kraken", ["crypto", "forex"], [{ window: "second", limit: 1, remaining: 1 }], { batch_size: 100, latency_ms: { p50: 131, p95: 340 } }),
    provider("alphavantage", ["equity", "forex"], [{ window: "day", limit: 25, remaining: 21, resets_at: hence(40_000) }]),
    provider("finnhub", ["equity", "crypto"], [], { enabled: false, reason: "no key is set: FINNHUB_API_KEY", latency_ms: null, last_success: null }),
  ];
  market.letters = [1, 2, 3].map((n) => ({
    id: `dl_${n}`, key: "AAPL", topic: "price-events", partition: n % 2, offset: 4000 + n, attempts: 5, parked_at: ago(n * 3700),
    reason: n === 2 ? "payload is not a price event: missing field `symbol` at line 1 column 44" : "schema_version 9 is newer than this service understands (1)",
    payload: `{"message_id":"0193${n}","type":"price.recorded","schema_version":9,"price":189.42}`, headers: { "content-type": "application/json", producer: "legacy-bridge" },
  }));
  market.keys = [
    { id: "a81f03c2", name: "first admin", role: "admin", created_at: ago(86_400 * 40), expires_at: null, last_used_at: ago(31), revoked_at: null },
    { id: "9be210dd", name: "grafana", role: "read", created_at: ago(86_400 * 21), expires_at: hence(86_400 * 70), last_used_at: ago(9), revoked_at: null },
    { id: "4410aa7e", name: "old importer", role: "write", created_at: ago(86_400 * 90), expires_at: ago(86_400 * 3), last_used_at: ago(86_400 * 5), revoked_at: null },
  ];
  let previous_hash = "0".repeat(64);
  const acts = [["system", "service.start", "edge"], ["a81f03c2", "key.create", "9be210dd"], ["a81f03c2", "job.create", "poll_1"], ["anonymous", "access.refused", "POST /prices"], ["a81f03c2", "provider.reset", "yahoo"]];
  acts.forEach(([actor, action, target], n) => {
    const hash = createHash("sha256").update(previous_hash + n).digest("hex");
    market.audit.push({ sequence: n + 1, at: ago((acts.length - n) * 5000), actor, action, target, outcome: action === "access.refused" ? "refused" : "done", hash, previous_hash });
    previous_hash = hash;
  });
  market.config = [
    ["server.host", "127.0.0.1", "default"], ["server.port", 8000, "default"], ["mode", "edge", "default"], ["average.windows", [5, 20], "file tickerd.toml"],
    ["quotes.max_age", "60s", "default"], ["fetch.interval", "30s", "environment TICKERD_FETCH__INTERVAL"], ["providers.finnhub.api_key", "(not set)", "default"], ["log.level", "info", "environment LOG_LEVEL"],
  ].map(([key, value, origin]) => ({ key, value, origin }));
}
