import { describe, expect, test } from "vitest";
import { sizeOf } from "../../../../cloud/apiserver/storage/history.ts";
import { Stored } from "../../../../cloud/apiserver/storage/stored.ts";
import { Store } from "../../../../cloud/apiserver/storage/store.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";

const object = (name: string, text = "x"): KubeObject => ({ metadata: { name, namespace: "ns" }, data: { text } });

describe("the history of changes", () => {
  test("is bounded by memory, all tables together; who is further behind than it has to list again", () => {
    const store = new Store({ bytes: 100_000 });
    const revisions: number[] = [];
    for (let i = 0; i < 200; i++) {
      store.put(i % 2 === 0 ? "pods" : "leases", object("one", "x".repeat(1000)));
      revisions.push(store.revision);
    }
    expect(store.historyBytes).toBeLessThanOrEqual(100_000);
    expect(store.historyBytes).toBeGreaterThan(90_000);
    expect(store.since("pods", revisions[0] as number)).toBeUndefined();
    const seen = store.since("pods", revisions.at(-11) as number);
    expect(seen?.map(({ revision }) => revision)).toEqual(revisions.slice(-10).filter((_, i) => i % 2 === 0));
    expect(() => store.listAt("pods", revisions[0] as number)).toThrow("too old");
  });

  test("counts what stood there before as well: the change that made it is forgotten first", () => {
    const store = new Store({ bytes: 30_000 });
    store.put("pods", object("one", "x".repeat(3000)));
    store.put("pods", object("one", "y".repeat(3000)));
    store.put("pods", object("one", "z".repeat(3000)));
    // Each holds two texts, so one change fits, not two.
    expect(store.since("pods", store.revision - 1)).toHaveLength(1);
    expect(store.since("pods", store.revision - 2)).toBeUndefined();
    expect(store.historyBytes).toBeGreaterThan(18_000);
  });

  test("forgets what is five minutes old", () => {
    let now = 0;
    const store = new Store({ now: () => now });
    store.put("pods", object("old"));
    const then = store.revision;
    now = 200_000;
    store.put("pods", object("newer"));
    now = 299_000;
    store.put("leases", object("other"));
    expect(store.since("pods", then)).toHaveLength(1);
    expect(store.since("pods", 1)).toHaveLength(2);
    now = 301_000;
    store.put("leases", object("other"));
    expect(store.since("pods", 1)).toBeUndefined();
    expect(store.since("pods", then)).toHaveLength(1);
  });

  test("keeps the newest change however large it is, and goes on after thousands", () => {
    const store = new Store({ bytes: 5000 });
    store.put("pods", object("large", "x".repeat(100_000)));
    const then = store.revision;
    expect(store.since("pods", then - 1)).toHaveLength(1);
    for (let i = 0; i < 5000; i++) store.put("pods", object("small"));
    expect(store.historyBytes).toBeLessThanOrEqual(5000);
    expect(store.since("pods", store.revision - 3)).toHaveLength(3);
    expect(store.since("pods", then)).toBeUndefined();
  });

  test("counts an object at about what it takes", () => {
    const one = new Stored(object("pod", "x".repeat(500)), undefined);
    expect(sizeOf(one)).toBeGreaterThan(1000);
    expect(sizeOf(one)).toBeLessThan(2500);
  });
});
