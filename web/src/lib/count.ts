// Counts, which are whole and small enough for a float, in the reader's grouping.

const format = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

export const count = (n: number): string => format.format(n);
