import { describe, expect, test } from "vitest";
import { BoundedQueue, QueueClosedError } from "../../../../base/queue/bounded-queue.ts";

describe("a bounded queue", () => {
  test("hands items out in the order they came", async () => {
    const queue = new BoundedQueue<number>("q", 10);
    for (const n of [1, 2, 3]) await queue.send(n);
    expect([await queue.receive(), await queue.receive(), await queue.receive()]).toEqual([1, 2, 3]);
  });

  test("makes a sender wait while it is full, and keeps the order of those who wait", async () => {
    const queue = new BoundedQueue<number>("q", 1);
    await queue.send(1);
    const sent: number[] = [];
    const waiting = [2, 3].map((n) => queue.send(n).then(() => sent.push(n)));
    await Promise.resolve();
    expect(sent).toEqual([]);
    expect(queue.trySend(9)).toBe(false);
    expect([await queue.receive(), await queue.receive(), await queue.receive()]).toEqual([1, 2, 3]);
    await Promise.all(waiting);
    expect(sent).toEqual([2, 3]);
  });

  test("an aborted sender's item is not in it", async () => {
    const queue = new BoundedQueue<number>("q", 1);
    await queue.send(1);
    const abort = new AbortController();
    const sent = queue.send(2, abort.signal);
    abort.abort(new Error("enough"));
    await expect(sent).rejects.toThrow("enough");
    await queue.receive();
    expect(queue.size).toBe(0);
  });

  test("tells everybody who waits when it is closed", async () => {
    const queue = new BoundedQueue<number>("q", 1);
    const receiver = queue.receive();
    queue.close();
    await expect(receiver).rejects.toThrow(QueueClosedError);
    await expect(queue.send(1)).rejects.toThrow("queue q is closed");
  });

  test("hands out what is left after it was closed", async () => {
    const queue = new BoundedQueue<number>("q", 2);
    await queue.send(1);
    queue.close();
    expect(await queue.receive()).toBe(1);
    await expect(queue.receive()).rejects.toThrow(QueueClosedError);
  });

  test("stays small after many items have gone through", async () => {
    const queue = new BoundedQueue<number>("q", 5000);
    for (let n = 0; n < 4000; n++) await queue.send(n);
    for (let n = 0; n < 4000; n++) expect(await queue.receive()).toBe(n);
    expect(queue.size).toBe(0);
  });
});
