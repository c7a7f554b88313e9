import { expect, test } from "vitest";
import { settleAll } from "../../../base/error/settle-all.ts";

test("gives all results in their order", async () => {
  expect(await settleAll([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2]);
});

test("fails with the first of the errors, and only when none is under way any more", async () => {
  const slow = Promise.withResolvers<number>();
  let isOver = false;
  const all = settleAll([slow.promise, Promise.reject(new Error("first")), Promise.reject(new Error("second"))])
    .finally(() => isOver = true);
  all.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  slow.resolve(1);
  await expect(all).rejects.toThrow("first");
});
