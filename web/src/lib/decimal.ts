// Exact decimals as text. Prices never become floats on their way to the reader's eye; a float is
// only made for pixels (sparklines and charts), by `toPixels`.

/** The exact text of a decimal, as the service printed it. */
export type Decimal = string;

interface Parts {
  units: bigint;
  scale: number;
}

const SHAPE = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

function parts(text: Decimal): Parts {
  const found = SHAPE.exec(text);
  if (!found) throw new RangeError(`not a decimal: ${text}`);
  const fraction = found[3] ?? "";
  const exponent = Number(found[4] ?? 0);
  let units = BigInt(found[2]! + fraction);
  let scale = fraction.length - exponent;
  if (scale < 0) {
    units *= 10n ** BigInt(-scale);
    scale = 0;
  }
  return { units: found[1] ? -units : units, scale };
}

function text({ units, scale }: Parts): Decimal {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  if (scale === 0) return sign + digits;
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function aligned(left: Decimal, right: Decimal): [bigint, bigint, number] {
  const a = parts(left);
  const b = parts(right);
  const scale = Math.max(a.scale, b.scale);
  return [a.units * 10n ** BigInt(scale - a.scale), b.units * 10n ** BigInt(scale - b.scale), scale];
}

export function compare(left: Decimal, right: Decimal): -1 | 0 | 1 {
  const [a, b] = aligned(left, right);
  return a < b ? -1 : a > b ? 1 : 0;
}

export function subtract(left: Decimal, right: Decimal): Decimal {
  const [a, b, scale] = aligned(left, right);
  return text({ units: a - b, scale });
}

export function sign(value: Decimal): -1 | 0 | 1 {
  const { units } = parts(value);
  return units < 0n ? -1 : units > 0n ? 1 : 0;
}

/** `part / whole` in percent, rounded half away from zero; none when the whole is zero. */
export function percentOf(part: Decimal, whole: Decimal, places = 2): Decimal | undefined {
  const [a, b] = aligned(part, whole);
  if (b === 0n) return undefined;
  return text({ units: divideRounded(a * 100n * 10n ** BigInt(places), b), scale: places });
}

/** At most `places` decimal places; a shorter value is left as it is. */
export function round(value: Decimal, places: number): Decimal {
  const { units, scale } = parts(value);
  if (scale <= places) return text({ units, scale });
  return text({ units: divideRounded(units, 10n ** BigInt(scale - places)), scale: places });
}

function divideRounded(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n !== denominator < 0n;
  const n = numerator < 0n ? -numerator : numerator;
  const d = denominator < 0n ? -denominator : denominator;
  const quotient = (n * 2n + d) / (d * 2n);
  return negative ? -quotient : quotient;
}

export function places(value: Decimal): number {
  return parts(value).scale;
}

/** Decimal places for the labels of an axis: what the values have, but no more than tells hundredths of their range apart. */
export function axisPlaces(values: readonly Decimal[]): number {
  const pixels = values.map(toPixels);
  const range = Math.max(...pixels) - Math.min(...pixels);
  const enough = range > 0 ? Math.max(2, Math.ceil(2 - Math.log10(range))) : Infinity;
  return Math.min(enough, Math.max(2, ...values.map(places)));
}

/** A float for drawing. Never shown as a number. */
export function toPixels(value: Decimal): number {
  return Number(value);
}

const separators = (() => {
  const found = new Intl.NumberFormat().formatToParts(11111.5);
  const of = (type: string, otherwise: string) => found.find((part) => part.type === type)?.value ?? otherwise;
  return { group: of("group", ","), decimal: of("decimal", ".") };
})();

/** The exact value in the reader's separators, padded with zeros (which change nothing) to `minPlaces`. */
export function display(value: Decimal, minPlaces = 2, { group, decimal } = separators): string {
  const plain = text(parts(value));
  const [whole = "0", fraction = ""] = plain.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, group);
  const padded = fraction.padEnd(minPlaces, "0");
  return (plain.startsWith("-") ? "−" : "") + grouped + (padded ? decimal + padded : "");
}

/** Like `display`, with a sign for gains too, so that colour is never the only mark. */
export function displaySigned(value: Decimal, minPlaces = 2): string {
  return (sign(value) > 0 ? "+" : "") + display(value, minPlaces);
}
