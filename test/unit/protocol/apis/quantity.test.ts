import { expect, test } from "vitest";
import { quantityOf } from "../../../../protocol/apis/quantity.ts";

test.each([
  ["1", 0, 1],
  ["250m", 3, 250],
  ["250m", 0, 1],
  ["0.3", 3, 300],
  ["1.0005", 3, 1001],
  ["100u", 3, 1],
  ["1k", 0, 1000],
  ["1.5Gi", 0, 1.5 * 2 ** 30],
  [".5", 3, 500],
  ["5.", 0, 5],
  ["2e3", 0, 2000],
  ["2E-1", 0, 1],
  ["1E", 0, 1e18],
  ["-1.5", 0, -2],
  [110, 0, 110],
])("%s in units of 10^-%i is %d", (text, digits, value) => {
  expect(quantityOf(text, digits)).toBe(value);
});

test.each(["", "1 Gi", "1KiB", "m", "1e", "one", null, undefined])("%j is no quantity", (text) => {
  expect(quantityOf(text)).toBeUndefined();
});
