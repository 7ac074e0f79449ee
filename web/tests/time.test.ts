import { describe, expect, it } from "vitest";
import { countdown, duration, freshness, instant, localTime, spoken, utcTitle } from "../src/lib/time";

describe("ages and freshness", () => {
  it.each([
    [0, "0 s"], [999, "0 s"], [59_999, "59 s"], [60_000, "1 min"], [3_599_999, "59 min"], [3_600_000, "1 h"], [86_400_000 * 3, "3 d"], [-5000, "0 s"],
  ])("%d ms is %s", (millis, expected) => expect(duration(millis)).toBe(expected));

  it.each([[1, "1 s"], [90, "90 s"], [300, "5 min"], [5400, "90 min"], [7200, "2 h"], [172_800, "2 d"]])("every %d s is every %s", (secs, expected) => expect(spoken(secs)).toBe(expected));

  it.each([
    [0, false, "live"], [59_999, false, "live"], [60_000, false, "recent"], [15 * 60_000, false, "stale"], [0, true, "stale"],
  ] as const)("a quote of %d ms that is called stale: %s is %s", (age, stale, expected) => expect(freshness(age, stale)).toBe(expected));

  it.each([[0, "0:00"], [1, "0:01"], [65_000, "1:05"], [7_209_000, "2:00:09"]])("%d ms are left: %s", (millis, expected) => expect(countdown(millis)).toBe(expected));
  it("says UTC in full", () => expect(utcTitle("2026-11-21T08:00:00.123456Z")).toBe("2026-11-21 08:00:00.123456 UTC"));
  it("shows an unreadable time as it came", () => expect(localTime("soon")).toBe("soon"));
  it("orders a missing time before all others", () => expect(instant(null)).toBeLessThan(instant("1970-01-01T00:00:00Z")));
});
