// A uPlot chart that follows the theme and its own width.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { colour, paint } from "../state/theme";

export interface Line {
  label: string;
  /** A custom property, `--series-1` for example. */
  colour: string;
  dash?: number[];
}

interface Props {
  label: string;
  lines: Line[];
  data: uPlot.AlignedData;
  unit: string;
}

const HEIGHT = 180;
const WHOLE = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6].map((power) => n * 10 ** power)).sort((a, b) => a - b);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export default function OperationsChart({ label, lines, data, unit }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const repaint = paint.value;

  useEffect(() => {
    const element = place.current!;
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    chart.current = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        cursor: { y: false, drag: { x: false, y: false } },
        legend: { live: true },
        // At least a minute, so that the first readings do not sprawl; the counts are whole.
        scales: { x: { time: true, range: (_, min, max) => [Math.min(min, max - 60), max] }, y: { range: (_, __, max) => [0, Math.max(4, max * 1.15)] } },
        axes: [{ ...axis, size: 28, space: 90, incrs: [5, 10, 15, 30, 60], values: (_, splits) => splits.map((secs) => clock.format(secs * 1000)) }, { ...axis, size: 44, incrs: WHOLE }],
        series: [
          { label: "At", value: (_: uPlot, secs: number | null) => (secs == null ? "–" : clock.format(secs * 1000)) },
          ...lines.map((line) => ({ label: line.label, stroke: colour(line.colour), width: 1.5, dash: line.dash ?? [], points: { show: false }, value: (_: uPlot, v: number | null) => (v == null ? "–" : `${Number.isInteger(v) ? v : v.toFixed(1)} ${unit}`) })),
        ],
      },
      data,
      element,
    );
    const sizes = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      chart.current?.destroy();
    };
  }, [repaint]);

  useEffect(() => {
    const current = chart.current!;
    current.setData(data);
    // Without a pointer over it the legend tells the last reading; the chart empties it when it draws.
    const timer = setTimeout(() => current.cursor.idx == null && current.setLegend({ idx: data[0].length - 1 }));
    return () => clearTimeout(timer);
  }, [data, repaint]);

  return <div ref={place} class="operations-chart" role="img" aria-label={label} />;
}
