// Invented prices with exact decimals: integers of ticks, walked by a seeded generator.

export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const KNOWN = [
  ["AAPL", "Apple Inc.", "NASDAQ", "USD", 18_942, 2], ["MSFT", "Microsoft Corporation", "NASDAQ", "USD", 41_570, 2],
  ["NVDA", "NVIDIA Corporation", "NASDAQ", "USD", 13_155, 2], ["BRK.B", "Berkshire Hathaway Inc. B", "NYSE", "USD", 46_120, 2],
  ["VOD.L", "Vodafone Group plc", "LSE", "GBP", 7_214, 4], ["SAP.DE", "SAP SE", "XETRA", "EUR", 21_348, 2],
  ["BTC-USD", "Bitcoin", null, "USD", 9_731_240, 2], ["ETH-USD", "Ether", null, "USD", 352_118, 2],
  ["SOL-USD", "Solana", null, "USD", 2_148_730, 4], ["DOGE-USD", "Dogecoin", null, "USD", 17_342_100, 8],
  ["EUR/USD", "Euro / US dollar", null, "USD", 108_412, 5], ["GBP/JPY", "Pound / yen", null, "JPY", 191_284, 3],
  ["USD/CHF", "US dollar / Swiss franc", null, "CHF", 88_541, 5], ["TSLA", "Tesla, Inc.", "NASDAQ", "USD", 24_811, 2],
];

export function instruments(count) {
  const all = KNOWN.map(([symbol, name, exchange, currency, ticks, scale]) => ({ symbol, name, exchange, currency, ticks, scale }));
  for (let n = all.length; n < count; n += 1) {
    const symbol = "SIM" + String(n).padStart(3, "0");
    all.push({ symbol, name: `Simulated ${n}`, exchange: "SIM", currency: "USD", ticks: 1000 + n * 137, scale: 2 });
  }
  return all.slice(0, count);
}

export const classOf = (symbol) => (symbol.includes("/") ? "forex" : symbol.includes("-") ? "crypto" : "stocks");

/** Marks a decimal so that `wire` prints it as a bare, exact JSON number. */
export const decimal = (ticks, scale) => {
  const text = String(Math.abs(ticks)).padStart(scale + 1, "0");
  const whole = scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`.replace(/\.?0+$/, "");
  return `@${ticks < 0 ? "-" : ""}${whole}`;
};

export const wire = (value) => JSON.stringify(value).replace(/"@(-?\d+(?:\.\d+)?)"/g, "$1");
