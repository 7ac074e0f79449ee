import { describe, expect, it } from "vitest";
import { parseExact, quoteDecimals } from "../src/api/exact";

describe("JSON with exact decimals", () => {
  it("keeps digits that a float would lose", () =>
    expect(parseExact('{"price":0.1000000000000000055511151231257827,"id":7}')).toEqual({ price: "0.1000000000000000055511151231257827", id: 7 }));

  it("keeps trailing zeros", () => expect(parseExact<{ price: string }>('{ "price" : 189.50 }').price).toBe("189.50"));
  it("leaves null alone", () => expect(parseExact('{"change":null,"volume":null}')).toEqual({ change: null, volume: null }));
  it("reaches into arrays and nested objects", () =>
    expect(parseExact('{"bars":[{"open":1,"close":-2.5}],"n":{"price":3}}')).toEqual({ bars: [{ open: "1", close: "-2.5" }], n: { price: "3" } }));

  it("is not fooled by what strings say", () => {
    const body = { payload: '{"price":1.50,"x":"\\"}', detail: 'the "price": 5 is odd', price: null };
    expect(parseExact(JSON.stringify(body))).toEqual(body);
  });

  it("does not touch a string value that is named like a key", () => expect(quoteDecimals('["price",1]')).toBe('["price",1]'));
  it("leaves other numbers as numbers", () => expect(parseExact('{"sequence":12,"points":3.5}')).toEqual({ sequence: 12, points: 3.5 }));
});
