// What ends waits for work, but not for ever, and leaves no timer.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { settledWithin } from "../../../../base/time/settled-within.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("work that is done in time leaves no timer that would keep the process from ending", async () => {
  await settledWithin(Promise.resolve(), 1000);
  expect(vi.getTimerCount()).toBe(0);
});

test("work that fails in time fails, and leaves no timer", async () => {
  await expect(settledWithin(Promise.reject(new Error("no")), 1000)).rejects.toThrow("no");
  expect(vi.getTimerCount()).toBe(0);
});

test("work that never ends is waited for only so long", async () => {
  const waiting = settledWithin(new Promise(() => {}), 1000);
  await vi.advanceTimersByTimeAsync(1000);
  await expect(waiting).resolves.toBeUndefined();
});
