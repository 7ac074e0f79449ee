// The last day in 24 px. Loaded when its row is first seen, drawn at most once a second.

import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { toPixels } from "../lib/decimal";
import type { QuoteCell } from "../state/quotes";
import { now } from "../state/now";
import { dayOf, wantDay } from "../state/bars";

const WIDTH = 120;
const HEIGHT = 24;

// One observer for all rows: a row tells its symbol through this map.
const whenSeen = new WeakMap<Element, () => void>();
const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    whenSeen.get(target)?.();
  }
}, { rootMargin: "200px" });

export function Sparkline({ cell }: { cell: QuoteCell }) {
  const place = useRef<SVGSVGElement>(null);
  const line = useRef<SVGPathElement>(null);
  const { symbol } = cell;
  const points = dayOf(symbol);

  useEffect(() => {
    const element = place.current!;
    whenSeen.set(element, () => wantDay(symbol));
    observer.observe(element);
    return () => observer.unobserve(element);
  }, [symbol]);

  useSignalEffect(() => {
    void now.value; // the once-a-second beat; the price itself is peeked
    const price = cell.quote.peek()?.price;
    const all = price === undefined ? points.value : [...points.value, toPixels(price)];
    const path = pathOf(all);
    if (line.current && line.current.getAttribute("d") !== path) line.current.setAttribute("d", path);
  });

  return (
    <svg ref={place} class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path ref={line} d="" />
    </svg>
  );
}

export function pathOf(values: readonly number[]): string {
  if (values.length < 2) return "";
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const step = WIDTH / (values.length - 1);
  return values.map((value, i) => `${i === 0 ? "M" : "L"}${(i * step).toFixed(1)} ${(HEIGHT - 2 - ((value - low) / span) * (HEIGHT - 4)).toFixed(1)}`).join("");
}
