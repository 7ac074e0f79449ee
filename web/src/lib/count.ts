// Counts, which are whole and small enough for a float, in the reader's grouping.

const format = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

export const count = (n: number): string => format.format(n);

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** `41.2 MB`: three figures at least, in powers of a thousand. */
export function bytes(n: number): string {
  const power = n < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(n) / 3));
  const scaled = n / 1000 ** power;
  return `${power === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[power]}`;
}
