import { describe, expect, test } from "vitest";
import { UrgentFirst } from "../../../../base/queue/urgent-first.ts";

describe("calls of which the urgent ones come first", () => {
  test("run so many at once, then the urgent ones, then the others, each in its order", async () => {
    const gate = new UrgentFirst(2);
    const order: string[] = [];
    const open: (() => void)[] = [];
    const call = (name: string, isUrgent: boolean) =>
      gate.run(isUrgent, async () => {
        order.push(name);
        await new Promise<void>((resolve) => open.push(resolve));
      });
    const all = [
      call("a", false),
      call("b", false),
      call("c", false),
      call("lease", true),
      call("d", false),
      call("node", true),
    ];
    expect(order).toEqual(["a", "b"]);
    expect(gate.waiting).toBe(4);
    for (let i = 0; i < all.length; i++) {
      open.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    expect(order).toEqual(["a", "b", "lease", "node", "c", "d"]);
    expect(gate.waiting).toBe(0);
  });

  test("give their place on when they fail, thousands of them", async () => {
    const gate = new UrgentFirst(1);
    const ended = await Promise.allSettled(
      Array.from(
        { length: 5000 },
        (_, i) => gate.run(i % 2 === 0, () => i % 3 === 0 ? Promise.reject(new Error("no")) : Promise.resolve(i)),
      ),
    );
    expect(ended.filter(({ status }) => status === "rejected")).toHaveLength(1667);
    expect(await gate.run(false, () => Promise.resolve("free"))).toBe("free");
  });
});
