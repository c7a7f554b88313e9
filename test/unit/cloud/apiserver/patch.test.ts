import { describe, expect, test } from "vitest";
import { structOf } from "../../../../cloud/apiserver/types/shape.ts";
import { applyJsonPatch } from "../../../../cloud/apiserver/patch/json-patch.ts";
import { applyMergePatch } from "../../../../protocol/apis/merge-patch.ts";
import { applyStrategicPatch } from "../../../../cloud/apiserver/patch/strategic.ts";

describe("a JSON patch", () => {
  test.each([
    [{ a: 1 }, [{ op: "add", path: "/b", value: 2 }], { a: 1, b: 2 }],
    [{ a: [1, 3] }, [{ op: "add", path: "/a/1", value: 2 }], { a: [1, 2, 3] }],
    [{ a: [1] }, [{ op: "add", path: "/a/-", value: 2 }], { a: [1, 2] }],
    [{ a: 1 }, [{ op: "replace", path: "/a", value: 2 }], { a: 2 }],
    [{ a: 1, b: 2 }, [{ op: "remove", path: "/a" }], { b: 2 }],
    [{ a: 1 }, [{ op: "move", from: "/a", path: "/b" }], { b: 1 }],
    [{ a: { x: 1 } }, [{ op: "copy", from: "/a", path: "/b" }], { a: { x: 1 }, b: { x: 1 } }],
    [{ a: 1 }, [{ op: "test", path: "/a", value: 1 }], { a: 1 }],
    [{ "a/b": { "~": 1 } }, [{ op: "replace", path: "/a~1b/~0", value: 2 }], { "a/b": { "~": 2 } }],
  ])("of %j with %j gives %j", (target, patch, expected) => {
    const before = structuredClone(target);
    expect(applyJsonPatch(target as never, patch)).toEqual(expected);
    expect(target).toEqual(before);
  });

  test.each([
    [[{ op: "remove", path: "/missing" }]],
    [[{ op: "test", path: "/a", value: 2 }]],
    [[{ op: "add", path: "/x/y/z", value: 1 }]],
    [[{ op: "nonsense", path: "/a" }]],
    [[{ op: "add", path: "/a" }]],
    [{ op: "add" }],
  ])("%j is refused", (patch) => {
    expect(() => applyJsonPatch({ a: 1 }, patch)).toThrow();
  });

  test("a key called __proto__ is only a key", () => {
    applyJsonPatch({}, [{ op: "add", path: "/__proto__", value: { polluted: true } }]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe("a merge patch", () => {
  test("merges objects, removes by null, replaces the rest", () => {
    expect(applyMergePatch({ a: { b: 1, c: 2 }, l: [1, 2] }, { a: { b: null, d: 3 }, l: [3], n: { x: null } })).toEqual(
      {
        a: { c: 2, d: 3 },
        l: [3],
        n: {},
      },
    );
  });
});

const podType = structOf("io.k8s.api.core.v1.Pod");

describe("a strategic merge patch", () => {
  const pod = {
    spec: { containers: [{ name: "a", image: "1" }, { name: "b", image: "1" }] },
    status: { conditions: [{ type: "Ready", status: "False", reason: "x" }] },
  };

  test("merges lists by their keys", () => {
    const patched = applyStrategicPatch(podType, pod as never, {
      spec: { containers: [{ name: "b", image: "2" }, { name: "c", image: "1" }] },
    });
    expect(patched).toMatchObject({
      spec: { containers: [{ name: "a", image: "1" }, { name: "b", image: "2" }, { name: "c", image: "1" }] },
    });
    const first = applyStrategicPatch(podType, pod as never, { spec: { containers: [{ name: "c", image: "1" }] } });
    expect(first).toMatchObject({ spec: { containers: [{ name: "c" }, { name: "a" }, { name: "b" }] } });
  });

  test("takes an edge's status patch with its directive of order", () => {
    const patched = applyStrategicPatch(podType, pod as never, {
      status: {
        "$setElementOrder/conditions": [{ type: "New" }, { type: "Ready" }],
        conditions: [{ type: "Ready", status: "True", reason: null }, { type: "New", status: "True" }],
      },
    });
    expect(patched).toMatchObject({
      status: { conditions: [{ type: "New", status: "True" }, { type: "Ready", status: "True" }] },
    });
    expect(JSON.stringify(patched)).not.toContain("reason");
  });

  test("deletes items and replaces lists where a directive says so", () => {
    expect(applyStrategicPatch(podType, pod as never, { spec: { containers: [{ name: "a", $patch: "delete" }] } }))
      .toMatchObject({ spec: { containers: [{ name: "b" }] } });
    expect(applyStrategicPatch(podType, pod as never, { spec: { containers: [{ $patch: "replace" }, { name: "z" }] } }))
      .toMatchObject({ spec: { containers: [{ name: "z" }] } });
  });

  test("without the merge key, or with an unknown directive, is refused", () => {
    expect(() => applyStrategicPatch(podType, pod as never, { spec: { containers: [{ image: "2" }] } })).toThrow(
      "does not contain declared merge key: name",
    );
    expect(() => applyStrategicPatch(podType, pod as never, { $patch: "explode" })).toThrow(
      "unknown patch type: explode in map: map[$patch:explode]",
    );
  });
});
