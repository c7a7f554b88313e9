import { expect, test } from "vitest";
import { KeyedWorker } from "../../../../base/queue/keyed-worker.ts";

test("jobs of one key run one after another, of different keys side by side", async () => {
  const worker = new KeyedWorker(10);
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  await worker.submit("a", async () => {
    await gate.promise;
    log.push("a1");
  });
  await worker.submit("a", () => Promise.resolve(void log.push("a2")));
  await worker.submit("b", () => Promise.resolve(void log.push("b1")));
  await Promise.resolve();
  gate.resolve();
  await worker.idle();
  expect(log).toEqual(["b1", "a1", "a2"]);
});

test("it takes no more than its limit; who submits waits", async () => {
  const worker = new KeyedWorker(1);
  const gate = Promise.withResolvers<void>();
  await worker.submit("a", () => gate.promise);
  let accepted = false;
  const second = worker.submit("b", () => Promise.resolve()).then(() => accepted = true);
  await Promise.resolve();
  expect(accepted).toBe(false);
  gate.resolve();
  await second;
  await worker.idle();
  expect(worker.size).toBe(0);
});
