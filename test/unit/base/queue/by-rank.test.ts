import { describe, expect, test } from "vitest";
import { ByRank, type Rank } from "../../../../base/queue/by-rank.ts";

describe("calls by rank", () => {
  test("run so many at once, then the urgent ones, then the usual ones, then the last, each in its order", async () => {
    const gate = new ByRank(2);
    const order: string[] = [];
    const open: (() => void)[] = [];
    const call = (name: string, rank: Rank) =>
      gate.run(rank, async () => {
        order.push(name);
        await new Promise<void>((resolve) => open.push(resolve));
      });
    const all = [
      call("a", "usual"),
      call("b", "usual"),
      call("record", "last"),
      call("c", "usual"),
      call("lease", "urgent"),
      call("d", "usual"),
      call("node", "urgent"),
    ];
    expect(order).toEqual(["a", "b"]);
    expect(gate.waiting).toBe(5);
    for (let i = 0; i < all.length; i++) {
      open.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    expect(order).toEqual(["a", "b", "lease", "node", "c", "d", "record"]);
    expect(gate.waiting).toBe(0);
  });

  test("give their place on when they fail, thousands of them", async () => {
    const gate = new ByRank(1);
    const ended = await Promise.allSettled(
      Array.from(
        { length: 5000 },
        (_, i) =>
          gate.run(
            i % 2 === 0 ? "urgent" : "last",
            () => i % 3 === 0 ? Promise.reject(new Error("no")) : Promise.resolve(i),
          ),
      ),
    );
    expect(ended.filter(({ status }) => status === "rejected")).toHaveLength(1667);
    expect(await gate.run("usual", () => Promise.resolve("free"))).toBe("free");
  });

  test("give the last every eighth place, however many others come", async () => {
    const gate = new ByRank(1);
    const order: string[] = [];
    const work = (name: string) => () => {
      order.push(name);
      return Promise.resolve();
    };
    const others = Array.from({ length: 30 }, (_, i) => gate.run(i % 2 === 0 ? "urgent" : "usual", work("other")));
    await Promise.all([...others, ...Array.from({ length: 3 }, () => gate.run("last", work("last")))]);
    expect(order.flatMap((name, at) => name === "last" ? [at] : [])).toEqual([8, 16, 24]);
  });
});
