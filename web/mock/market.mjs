// What the mock service remembers. It outlives a restart of the mock's HTTP side, as a store would.

import { classOf, decimal, generator, instruments, wire } from "./prices.mjs";

const LOG_LENGTH = 20_000;

export function createMarket({ count = 12, perSecond = 1, seed = 7, windows = [5, 20] } = {}) {
  const random = generator(seed);
  const listed = instruments(Math.max(count, 14));
  const stored = new Map(listed.slice(0, count).map((one) => [one.symbol, { ...one, opening: Math.round(one.ticks * (0.97 + random() * 0.05)), at: Date.now(), recent: [] }]));
  const market = {
    listed, stored, log: [], sequence: 1000, listeners: new Set(), nextId: 1, windows,
    counters: { ingested: 5120, duplicates: 31, published: 5120, averages: 5120 * windows.length, deadLettered: 3 },
    jobs: new Map(), letters: [], keys: [], audit: [],
  };

  function emit(type, data) {
    market.sequence += 1;
    const message = { id: market.sequence, type, symbol: data.symbol, data: wire(data) };
    market.log.push(message);
    if (market.log.length > LOG_LENGTH) market.log.splice(0, LOG_LENGTH / 10);
    for (const listener of market.listeners) listener(message);
  }

  market.tick = (symbol) => {
    const one = stored.get(symbol);
    const step = Math.max(1, Math.round(one.ticks * 0.0004));
    one.ticks = Math.max(1, one.ticks + Math.round((random() - 0.5) * 2 * step));
    one.at = Date.now();
    one.recent.push({ id: market.nextId, ticks: one.ticks, at: one.at });
    if (one.recent.length > 1000) one.recent.shift();
    const at = new Date(one.at).toISOString();
    market.counters.ingested += 1;
    market.counters.published += 1;
    emit("price", { kind: "price.recorded", symbol, price: decimal(one.ticks, one.scale), timestamp: at, provider: "simulated", currency: one.currency, received_at: at, price_id: market.nextId++ });
    for (const window of windows) {
      if (one.recent.length < window) continue;
      market.counters.averages += 1;
      emit("average", { symbol, window, moving_average: mean(one, one.recent.length, window), timestamp: at });
    }
    return one;
  };

  market.add = (symbol) => {
    if (stored.has(symbol)) return stored.get(symbol);
    const known = listed.find((one) => one.symbol === symbol);
    if (!known) return undefined;
    stored.set(symbol, { ...known, opening: known.ticks, at: Date.now(), recent: [] });
    return stored.get(symbol);
  };

  market.quote = (one) => ({
    symbol: one.symbol, price: decimal(one.ticks, one.scale), change: decimal(one.ticks - one.opening, one.scale),
    percent_change: decimal(Math.round(((one.ticks - one.opening) / one.opening) * 10_000), 2),
    source: "simulated", timestamp: new Date(one.at).toISOString(), currency: one.currency, stale: one.symbol === "VOD.L",
  });

  market.averages = (one, window) =>
    one.recent.map((price, n) => n + 1 >= window && { symbol: one.symbol, moving_average: mean(one, n + 1, window), window, window_size: window, timestamp: new Date(price.at).toISOString() }).filter(Boolean);

  market.bars = (one, secs, from) => {
    // History is invented backwards from the opening price, the same at every call.
    const walk = generator(one.symbol.length * 7919 + one.opening);
    const end = Math.floor(Date.now() / 1000 / secs) * secs;
    const count = Math.min(1000, Math.floor((end - from / 1000) / secs));
    const bars = [];
    let close = one.anchor ?? one.opening;
    for (let n = 1; n <= count; n += 1) {
      const reach = one.opening * 0.0012 * Math.sqrt(secs / 60);
      const open = Math.max(1, Math.round(close + (walk() - 0.5) * reach * 2));
      const high = Math.max(open, close) + Math.round(walk() * reach * 0.6);
      const low = Math.max(1, Math.min(open, close) - Math.round(walk() * reach * 0.6));
      bars.unshift({ start: end - n * secs, open, high, low, close });
      close = open;
    }
    const live = one.recent.filter((price) => price.at >= end * 1000).map((price) => price.ticks);
    const all = [live[0] ?? one.ticks, ...live, one.ticks];
    bars.push({ start: end, open: all[0], high: Math.max(...all), low: Math.min(...all), close: one.ticks, provisional: true });
    return bars.map(({ start, open, high, low, close: last, provisional = false }) => ({
      timestamp: new Date(start * 1000).toISOString(), open: decimal(open, one.scale), high: decimal(high, one.scale),
      low: decimal(low, one.scale), close: decimal(last, one.scale), volume: null, provisional,
    }));
  };

  function mean(one, end, window) {
    const some = one.recent.slice(end - window, end);
    const total = some.reduce((sum, price) => sum + BigInt(price.ticks), 0n);
    return decimal(Number((total * 1000n) / BigInt(window)), one.scale + 3);
  }

  const period = 50;
  let owed = 0;
  market.timer = setInterval(() => {
    owed += (stored.size * perSecond * period) / 1000;
    const symbols = [...stored.keys()];
    for (; owed >= 1; owed -= 1) {
      const symbol = symbols[Math.floor(random() * symbols.length)];
      if (symbol !== "VOD.L") market.tick(symbol);
    }
  }, period);
  for (let n = 0; n < 60; n += 1) for (const symbol of stored.keys()) market.tick(symbol);
  for (const one of stored.values()) {
    one.anchor = one.recent[0].ticks;
    one.recent.forEach((price, n) => (price.at -= (60 - n) * 20_000));
    if (one.symbol === "VOD.L") one.at -= 5 * 3_600_000;
  }
  return market;
}

export { classOf };
