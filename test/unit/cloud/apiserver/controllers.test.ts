import { describe, expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";
import { garbageCollector } from "../../../../cloud/apiserver/controllers/garbage-collector.ts";
import { podGarbageCollector } from "../../../../cloud/apiserver/controllers/pod-garbage-collector.ts";
import { scheduler } from "../../../../cloud/apiserver/controllers/scheduler.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { followNodes } from "../../../../cloud/apiserver/controllers/node-lifecycle.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";
import type { Kind } from "../../../../cloud/apiserver/kinds/kind.ts";
import { Registry } from "../../../../cloud/apiserver/kinds/registry.ts";
import { Resources } from "../../../../cloud/apiserver/resources.ts";
import { Store } from "../../../../cloud/apiserver/storage/store.ts";

function server() {
  const resources = new Resources(new Store(), new Registry(), () => 0, new Random(1));
  const kind = (plural: string) => resources.registry.find("", "v1", plural) as Kind;
  resources.create(kind("namespaces"), "", { metadata: { name: "default" } }, false);
  const create = (plural: string, object: Record<string, unknown>) =>
    resources.create(kind(plural), kind(plural).namespaced ? "default" : "", object, false);
  const names = (plural: string) => resources.store.list(plural).map((o) => o.metadata.name);
  return { resources, kind, create, names };
}

describe("the garbage collector", () => {
  const owned = (name: string, uid: string, more = {}) => ({
    metadata: { name, ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid, ...more }] },
  });

  test("removes what has lost its last owner, and nothing else", () => {
    const { resources, kind, create, names } = server();
    const owner = create("configmaps", { metadata: { name: "owner" } });
    create("configmaps", owned("child", owner.metadata.uid ?? ""));
    create("configmaps", { metadata: { name: "free" } });
    garbageCollector.reconcile(resources);
    expect(names("configmaps")).toEqual(["child", "free", "owner"]);
    resources.delete({ kind: kind("configmaps"), namespace: "default", name: "owner" }, {});
    garbageCollector.reconcile(resources);
    expect(names("configmaps")).toEqual(["free"]);
  });

  test("in the foreground an owner goes after its dependents; orphaned ones stay", () => {
    const { resources, kind, create, names } = server();
    for (const [policy, left] of [["Foreground", []], ["Orphan", ["child"]]] as const) {
      const owner = create("configmaps", { metadata: { name: "owner" } });
      create("configmaps", owned("child", owner.metadata.uid ?? "", { blockOwnerDeletion: true }));
      const { gone } = resources.delete({ kind: kind("configmaps"), namespace: "default", name: "owner" }, {
        propagationPolicy: policy,
      });
      expect(gone).toBe(false);
      garbageCollector.reconcile(resources);
      garbageCollector.reconcile(resources);
      expect(names("configmaps")).toEqual(left);
    }
  });

  test("empties a namespace that ends, then lets it go", () => {
    const { resources, kind, create, names } = server();
    resources.create(kind("namespaces"), "", { metadata: { name: "ends" } }, false);
    resources.create(kind("configmaps"), "ends", { metadata: { name: "inside" } }, false);
    create("configmaps", { metadata: { name: "outside" } });
    resources.delete({ kind: kind("namespaces"), namespace: "", name: "ends" }, {});
    expect(names("namespaces")).toContain("ends");
    garbageCollector.reconcile(resources);
    garbageCollector.reconcile(resources);
    expect(names("configmaps")).toEqual(["outside"]);
    expect(names("namespaces")).not.toContain("ends");
  });
});

test("a pod that is deleted goes at once where its node is gone; else its node has the say", () => {
  const { resources, kind, create, names } = server();
  create("nodes", { metadata: { name: "there" } });
  for (const nodeName of ["there", "gone"]) {
    const spec = { nodeName, containers: [{ name: "c", image: "i" }] };
    create("pods", { metadata: { name: `on-${nodeName}` }, spec });
  }
  podGarbageCollector.reconcile(resources);
  expect(names("pods")).toEqual(["on-gone", "on-there"]);
  for (const name of names("pods")) resources.delete({ kind: kind("pods"), namespace: "default", name }, {});
  podGarbageCollector.reconcile(resources);
  expect(names("pods")).toEqual(["on-there"]);
});

describe("the scheduler", () => {
  const node = (name: string, more: Record<string, unknown> = {}, ready = "True") => ({
    metadata: { name, labels: { zone: name } },
    status: { conditions: [{ type: "Ready", status: ready }], allocatable: { pods: "2" } },
    ...more,
  });
  const pod = (name: string, spec: Record<string, unknown> = {}) => ({
    metadata: { name },
    spec: { containers: [{ name: "c", image: "i" }], ...spec },
  });
  const placed = (resources: Resources) =>
    Object.fromEntries(
      resources.store.list("pods").map((p) => [p.metadata.name, (p.spec as { nodeName?: string }).nodeName ?? ""]),
    );

  test("binds to Ready nodes that fit, the emptier ones first, until they are full", () => {
    const { resources, create } = server();
    create("nodes", node("a"));
    create("nodes", node("b"));
    create("nodes", node("down", {}, "False"));
    create("nodes", node("tainted", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } }));
    for (const name of ["p1", "p2", "p3", "p4", "p5"]) create("pods", pod(name));
    scheduler.reconcile(resources);
    expect(placed(resources)).toEqual({ p1: "a", p2: "b", p3: "a", p4: "b", p5: "" });
  });

  test("minds selectors and tolerations", () => {
    const { resources, create } = server();
    create("nodes", node("a"));
    create("nodes", node("tainted", { spec: { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] } }));
    create("pods", pod("picky", { nodeSelector: { zone: "tainted" } }));
    create(
      "pods",
      pod("tolerant", { nodeSelector: { zone: "tainted" }, tolerations: [{ key: "k", operator: "Exists" }] }),
    );
    create("pods", pod("nowhere", { nodeSelector: { zone: "other" } }));
    scheduler.reconcile(resources);
    expect(placed(resources)).toEqual({ picky: "", tolerant: "tainted", nowhere: "" });
  });
});

describe("the node life cycle", () => {
  const ready = { type: "Ready", status: "True", lastHeartbeatTime: "1970-01-01T00:00:00Z" };
  const statusOf = (resources: Resources) =>
    (resources.store.list("nodes")[0] as unknown as { status: { conditions: { status: string }[] } }).status
      .conditions[0]?.status;

  test("of a node that is silent longer than its grace nothing is known, until it speaks", () => {
    const { resources, create } = server();
    const clock = new ManualClock();
    const stop = followNodes(resources, clock, 1);
    create("nodes", { metadata: { name: "gw-0" } });
    const said = (at: number) => {
      const status = { conditions: [{ ...ready, lastHeartbeatTime: new Date(clock.now() + at).toISOString() }] };
      resources.store.put("nodes", { ...resources.store.list("nodes")[0] as KubeObject, status });
    };
    said(0);
    clock.advance(45_000);
    expect(statusOf(resources)).toBe("True");
    clock.advance(15_000);
    expect(statusOf(resources)).toBe("Unknown");
    expect(resources.store.list("nodes")[0]?.spec).toMatchObject({
      taints: [{ key: "node.kubernetes.io/unreachable" }],
    });
    // Its clock may be an hour slow: that it says something new is what counts.
    said(-3_600_000);
    clock.advance(5_000);
    expect(statusOf(resources)).toBe("True");
    expect(resources.store.list("nodes")[0]?.spec).toEqual({});
    stop();
  });
});
