import { describe, expect, it } from "vitest";
import { axisPlaces, compare, display, displaySigned, percentOf, round, sign, subtract } from "../src/lib/decimal";

const ENGLISH = { group: ",", decimal: "." };

describe("exact decimals", () => {
  it.each([
    ["0.1", "0.10"],
    ["0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"],
    ["79228162514264337593543950335", "79,228,162,514,264,337,593,543,950,335.00"],
    ["1234567.891", "1,234,567.891"],
    ["-1234.5", "−1,234.50"],
    ["1e-7", "0.0000001"],
    ["1.5E3", "1,500.00"],
  ])("%s is shown as %s", (given, expected) => expect(display(given, 2, ENGLISH)).toBe(expected));

  it("uses the reader's separators", () => expect(display("1234567.5", 2, { group: ".", decimal: "," })).toBe("1.234.567,50"));
  it("marks a gain with a sign", () => expect(displaySigned("0.5")).toMatch(/^\+/));
  it("gives zero no sign", () => expect(displaySigned("0.00")).not.toMatch(/[+−]/));

  it.each([
    ["0.3", "0.1", "0.2"],
    ["100", "0.00000001", "99.99999999"],
    ["1", "1.00", "0.00"],
    ["0.1", "0.3", "-0.2"],
  ])("%s - %s = %s", (a, b, expected) => expect(subtract(a, b)).toBe(expected));

  it.each([
    [["538.45", "702.1", "430.4703"], 2],
    [["1.12012", "1.1302"], 4],
    [["0.00001234", "0.00001301"], 8],
    [["149.1"], 2],
    [[], 2],
  ])("an axis over %j has %i places", (values, expected) => expect(axisPlaces(values)).toBe(expected));

  it("compares by value, not by text", () => {
    expect(compare("1.0", "1")).toBe(0);
    expect(compare("9", "10")).toBe(-1);
    expect(compare("-2", "-10")).toBe(1);
    expect(compare("0.30000000000000001", "0.3")).toBe(1);
  });

  it.each([
    ["1", "8", "12.50"],
    ["-1", "3", "-33.33"],
    ["2", "3", "66.67"],
    ["0.005", "100", "0.01"],
  ])("%s of %s is %s percent", (part, whole, expected) => expect(percentOf(part, whole)).toBe(expected));

  it("has no percentage of nothing", () => expect(percentOf("1", "0")).toBeUndefined());
  it("rounds half away from zero", () => expect([round("0.125", 2), round("-0.125", 2), round("0.1", 2)]).toEqual(["0.13", "-0.13", "0.1"]));
  it("knows the sign of a tiny value", () => expect([sign("0.0000000000000000000000000001"), sign("-0"), sign("-1")]).toEqual([1, 0, -1]));
  it("refuses what is no decimal", () => expect(() => subtract("NaN", "1")).toThrow("not a decimal"));
});
