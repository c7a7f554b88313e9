import { expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";

test("the same seed gives the same numbers, another seed others", () => {
  const take = (random: Random) => Array.from({ length: 5 }, () => random.next());
  expect(take(new Random(7))).toEqual(take(new Random(7)));
  expect(take(new Random(7))).not.toEqual(take(new Random(8)));
});

test("the numbers are the same on every runtime", () => {
  const random = new Random(1).stream("x");
  const first = [random.integer(0, 999), random.integer(0, 999), random.integer(0, 999)];
  expect(first).toEqual([981, 446, 600]);
});

test("streams don't influence each other", () => {
  const parent = new Random(3);
  const alone = parent.stream("b").next();
  parent.stream("a").next();
  parent.next();
  expect(parent.stream("b").next()).toBe(alone);
});

test("integers reach both ends and no further; jitter stays within its fraction", () => {
  const random = new Random(5);
  const seen = new Set(Array.from({ length: 500 }, () => random.integer(1, 4)));
  expect([...seen].sort()).toEqual([1, 2, 3, 4]);
  for (let i = 0; i < 200; i++) {
    const value = random.jitter(100, 0.1);
    expect(value).toBeGreaterThanOrEqual(90);
    expect(value).toBeLessThanOrEqual(110);
  }
});
