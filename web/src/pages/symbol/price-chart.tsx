// Candles or a line, with moving averages over them. The library draws; what to draw is decided by
// lib/candles.ts. Its logo would inject a <style> element, which the service's policy refuses, so
// the attribution that its notice asks for is the link below the chart.

import {
  CandlestickSeries, ColorType, createChart, LineSeries, LineStyle, TickMarkType,
  type IChartApi, type IPriceLine, type ISeriesApi, type Time, type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "preact/hooks";
import { axisPlaces, display, toPixels } from "../../lib/decimal";
import { averagePoints, drawn, fromBar, grow, type Candle, type Interval } from "../../lib/candles";
import { api, ask } from "../../api/client";
import { loadBars } from "../../state/bars";
import { onAverage, onPrice, withSnapshots } from "../../state/live";
import { colour, paint } from "../../state/theme";
import { INTERVALS } from "../../lib/candles";

export type Style = "candles" | "line";

interface Props {
  symbol: string;
  interval: Interval;
  style: Style;
  windows: readonly number[];
  /** The candle under the pointer, or the last one. */
  onLegend(candle: Candle | undefined): void;
  onLoaded(state: { empty: boolean } | { error: unknown }): void;
  /** A new number asks for everything again. */
  turn: number;
}

const BARS_SHOWN = 300;
const AVERAGES_LOADED = 1000;
const NARROWEST_BAR = 6;
const WIDEST_BAR = 24;
const ROOM_AT_RIGHT = 4;

export default function PriceChart({ symbol, interval, style, windows, onLegend, onLoaded, turn }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const repaint = paint.value;
  const shownWindows = windows.join(",");

  useEffect(() => {
    const drawing = new Drawing(place.current!, style, interval, onLegend);
    let ended = false;
    let loading = false;
    const early: (() => void)[] = [];

    async function load() {
      loading = true;
      try {
        const [bars, ...averages] = await Promise.all([
          loadBars(symbol, { interval, limit: BARS_SHOWN }),
          ...windows.map((window) => loadAverages(symbol, window)),
        ]);
        if (ended) return;
        drawing.setCandles(bars.map(fromBar));
        windows.forEach((window, n) => drawing.setAverage(window, n, averagePoints(averages[n] ?? [], interval)));
        // What the stream brought while the snapshot was on its way.
        for (const again of early.splice(0)) again();
        onLoaded({ empty: drawing.isEmpty });
      } catch (error) {
        if (!ended) onLoaded({ error });
      } finally {
        loading = false;
      }
    }

    let reloadTimer: ReturnType<typeof setTimeout> | undefined;
    const reloadSoon = () => (reloadTimer ??= setTimeout(() => ((reloadTimer = undefined), void load()), 400));

    const stopPrices = onPrice((message) => {
      if (message.symbol !== symbol) return;
      // A correction or deletion may touch any bar: only the service knows the result.
      if (message.kind !== "price.recorded") return void reloadSoon();
      const take = () => drawing.takePrice(message.price, Date.parse(message.timestamp)) || reloadSoon();
      if (loading) early.push(take);
      else take();
    });
    const stopAverages = onAverage((message) => {
      if (message.symbol !== symbol || !windows.includes(message.window)) return;
      const take = () => drawing.takeAverage(message.window, averagePoints([message], interval)[0]!);
      if (loading) early.push(take);
      else take();
    });
    const stopSnapshots = withSnapshots(load);
    return () => {
      ended = true;
      clearTimeout(reloadTimer);
      stopSnapshots();
      stopPrices();
      stopAverages();
      drawing.end();
    };
  }, [symbol, interval, style, shownWindows, repaint, turn]);

  return <div ref={place} class="price-chart" role="img" aria-label={`${style === "line" ? "Line" : "Candle"} chart of ${symbol}, ${interval} bars. The prices below the chart say the same in text.`} />;
}

async function loadAverages(symbol: string, window: number) {
  const params = { path: { symbol }, query: { window, limit: AVERAGES_LOADED } };
  const answer = api.GET("/prices/{symbol}/moving-average/history", { params });
  return ask(`load the ${window}-price average`, answer).catch(() => []); // too few prices yet: no line
}

/** The imperative side: one chart and its series. */
class Drawing {
  #chart: IChartApi;
  #prices: ISeriesApi<"Candlestick"> | ISeriesApi<"Line">;
  #priceLine: IPriceLine;
  #style: Style;
  #interval: Interval;
  #averages = new Map<number, { series: ISeriesApi<"Line">; lastTime: number }>();
  #candles = new Map<number, Candle>();
  #last: Candle | undefined;
  #hovered = false;
  #filled = false;
  #onLegend: Props["onLegend"];
  #frame = 0;

  constructor(element: HTMLElement, style: Style, interval: Interval, onLegend: Props["onLegend"]) {
    this.#style = style;
    this.#interval = interval;
    this.#onLegend = onLegend;
    const [text, line, up, down, accent] = ["--muted", "--line", "--up", "--down", "--accent"].map(colour) as [string, string, string, string, string];
    this.#chart = createChart(element, {
      autoSize: true,
      layout: { background: { type: ColorType.Solid, color: colour("--surface") }, textColor: text, attributionLogo: false, fontFamily: "system-ui, sans-serif", fontSize: 11 },
      grid: { vertLines: { visible: false }, horzLines: { color: line } },
      rightPriceScale: { borderVisible: false, entireTextOnly: true },
      timeScale: { borderColor: line, timeVisible: INTERVALS[interval] < 86_400, tickMarkFormatter: tickMark, rightOffset: ROOM_AT_RIGHT },
      localization: { timeFormatter: (time: Time) => instantFormat.format((time as number) * 1000) },
    });
    this.#prices =
      style === "candles"
        ? this.#chart.addSeries(CandlestickSeries, { upColor: colour("--surface"), downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down })
        : this.#chart.addSeries(LineSeries, { color: accent, lineWidth: 2 });
    // The series' own label takes the colour of the candle's body, which is hollow for a gain.
    this.#prices.applyOptions({ lastValueVisible: false, priceLineVisible: false });
    this.#priceLine = this.#prices.createPriceLine({ price: 0, color: accent, lineWidth: 1, lineStyle: LineStyle.Dotted, axisLabelVisible: false, axisLabelColor: accent, axisLabelTextColor: colour("--on-accent"), title: "" });
    this.#chart.subscribeCrosshairMove(({ time }) => {
      this.#hovered = time !== undefined;
      onLegend(time === undefined ? this.#last : this.#candles.get(time as number));
    });
  }

  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  setCandles(candles: Candle[]): void {
    this.#candles = new Map(candles.map((candle) => [candle.time, candle]));
    this.#last = candles.at(-1);
    const precision = axisPlaces(candles.map(({ close }) => close));
    const figures = new Intl.NumberFormat(undefined, { minimumFractionDigits: precision, maximumFractionDigits: precision });
    this.#prices.applyOptions({ priceFormat: { type: "custom", minMove: 10 ** -precision, formatter: (price: number) => figures.format(price) } });
    this.#prices.setData(candles.map((candle) => this.#point(candle)) as never);
    this.#fillWidth(candles.length);
    this.#showLast();
    this.#onLegend(this.#last);
  }

  /** Few bars are drawn wide, rather than in a corner. Once: afterwards the reader zooms. */
  #fillWidth(nBars: number): void {
    if (this.#filled || nBars === 0) return;
    this.#filled = true;
    const scale = this.#chart.timeScale();
    scale.applyOptions({ barSpacing: Math.min(WIDEST_BAR, Math.max(NARROWEST_BAR, scale.width() / (nBars + ROOM_AT_RIGHT))) });
  }

  #showLast(): void {
    if (this.#last) this.#priceLine.applyOptions({ price: toPixels(this.#last.close), axisLabelVisible: true });
  }

  setAverage(window: number, n: number, points: { time: number; value: number }[]): void {
    const known = this.#averages.get(window);
    const series = known?.series ?? this.#chart.addSeries(LineSeries, {
      color: colour(`--series-${(n % 4) + 1}`), lineWidth: 2, lineStyle: n === 0 ? LineStyle.Solid : n === 1 ? LineStyle.Dashed : LineStyle.Dotted,
      priceLineVisible: false, crosshairMarkerVisible: false, lastValueVisible: false,
    });
    series.setData(points as never);
    this.#averages.set(window, { series, lastTime: points.at(-1)?.time ?? 0 });
  }

  /** False when the price belongs to an older bar. */
  takePrice(price: string, observedMs: number): boolean {
    const next = grow(this.#last, price, observedMs, this.#interval);
    if (!next) return false;
    this.#last = next;
    this.#candles.set(next.time, next);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.#last) return;
      this.#prices.update(this.#point(this.#last) as never);
      this.#showLast();
      if (!this.#hovered) this.#onLegend(this.#last);
    });
    return true;
  }

  takeAverage(window: number, point: { time: number; value: number }): void {
    const average = this.#averages.get(window);
    // The library refuses points before its last one; a recomputed old average shows at the next load.
    if (!average || point.time < average.lastTime) return;
    average.lastTime = point.time;
    average.series.update(point as never);
  }

  #point(candle: Candle) {
    const { time, ...values } = drawn(candle);
    const at = time as UTCTimestamp;
    return this.#style === "candles" ? { time: at, ...values } : { time: at, value: values.close };
  }

  end(): void {
    cancelAnimationFrame(this.#frame);
    this.#chart.remove();
  }
}

// The library thinks in UTC; labels are in the reader's zone.
const instantFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const yearFormat = new Intl.DateTimeFormat(undefined, { year: "numeric" });

function tickMark(time: Time, type: TickMarkType): string {
  const at = (time as number) * 1000;
  if (type === TickMarkType.Year) return yearFormat.format(at);
  return (type === TickMarkType.Time || type === TickMarkType.TimeWithSeconds ? clockFormat : dayFormat).format(at);
}

export function legendText(candle: Candle): [name: string, value: string][] {
  return [["O", display(candle.open)], ["H", display(candle.high)], ["L", display(candle.low)], ["C", display(candle.close)]];
}
