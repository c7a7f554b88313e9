import { describe, expect, test } from "vitest";
import { garbageCollector } from "../../../../cloud/apiserver/controllers/garbage-collector.ts";
import { podGarbageCollector } from "../../../../cloud/apiserver/controllers/pod-garbage-collector.ts";
import { scheduler } from "../../../../cloud/apiserver/controllers/scheduler.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { SteppedClock } from "../../../../base/time/stepped-clock.ts";
import { taintEviction } from "../../../../cloud/apiserver/controllers/taint-eviction.ts";
import { eventExpiry } from "../../../../cloud/apiserver/controllers/events.ts";
import { namespaceLifecycle } from "../../../../cloud/apiserver/controllers/namespaces.ts";
import { nodeLifecycle } from "../../../../cloud/apiserver/controllers/node-lifecycle.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";
import type { Resources } from "../../../../cloud/apiserver/resources.ts";
import { Controlled, server } from "./controlled.ts";

describe("the garbage collector", () => {
  const owned = (name: string, uid: string, more = {}) => ({
    metadata: { name, ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid, ...more }] },
  });

  test("removes what has lost its last owner, and nothing else", () => {
    const { resources, kind, create, names, reconcile } = server();
    const owner = create("configmaps", { metadata: { name: "owner" } });
    create("configmaps", owned("child", owner.metadata.uid ?? ""));
    create("configmaps", { metadata: { name: "free" } });
    reconcile(garbageCollector);
    expect(names("configmaps")).toEqual(["child", "free", "owner"]);
    resources.delete({ kind: kind("configmaps"), namespace: "default", name: "owner" }, {});
    reconcile(garbageCollector);
    expect(names("configmaps")).toEqual(["free"]);
  });

  test("in the foreground an owner goes after its dependents; orphaned ones stay", () => {
    const { resources, kind, create, names, reconcile } = server();
    for (const [policy, left] of [["Foreground", []], ["Orphan", ["child"]]] as const) {
      const owner = create("configmaps", { metadata: { name: "owner" } });
      create("configmaps", owned("child", owner.metadata.uid ?? "", { blockOwnerDeletion: true }));
      const { removed } = resources.delete({ kind: kind("configmaps"), namespace: "default", name: "owner" }, {
        propagationPolicy: policy,
      });
      expect(removed).toBe(false);
      reconcile(garbageCollector);
      reconcile(garbageCollector);
      expect(names("configmaps")).toEqual(left);
    }
  });

  test("empties a namespace that ends, then lets it go", () => {
    const { resources, kind, create, names, namespace, reconcile } = server();
    namespace("ends");
    resources.create(kind("configmaps"), "ends", { metadata: { name: "inside" } });
    create("configmaps", { metadata: { name: "outside" } });
    resources.delete({ kind: kind("namespaces"), namespace: "", name: "ends" }, {});
    expect(names("namespaces")).toContain("ends");
    reconcile(namespaceLifecycle);
    expect(names("configmaps")).toEqual(["outside"]);
    expect(names("namespaces")).not.toContain("ends");
  });
});

test("a deleted pod is removed at once where its node was deleted; else when its node says so", () => {
  const { resources, kind, create, names, reconcile } = server();
  create("nodes", { metadata: { name: "there" } });
  for (const nodeName of ["there", "gone"]) {
    const spec = { nodeName, containers: [{ name: "c", image: "i" }] };
    create("pods", { metadata: { name: `on-${nodeName}` }, spec });
  }
  reconcile(podGarbageCollector);
  expect(names("pods")).toEqual(["on-gone", "on-there"]);
  for (const name of names("pods")) resources.delete({ kind: kind("pods"), namespace: "default", name }, {});
  reconcile(podGarbageCollector);
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
    const { resources, create, reconcile } = server();
    create("nodes", node("a"));
    create("nodes", node("b"));
    create("nodes", node("down", {}, "False"));
    create("nodes", node("tainted", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } }));
    for (const name of ["p1", "p2", "p3", "p4", "p5"]) create("pods", pod(name));
    reconcile(scheduler);
    expect(placed(resources)).toEqual({ p1: "a", p2: "b", p3: "a", p4: "b", p5: "" });
  });

  test("minds selectors and tolerations", () => {
    const { resources, create, reconcile } = server();
    create("nodes", node("a"));
    create("nodes", node("tainted", { spec: { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] } }));
    create("pods", pod("picky", { nodeSelector: { zone: "tainted" } }));
    create(
      "pods",
      pod("tolerant", { nodeSelector: { zone: "tainted" }, tolerations: [{ key: "k", operator: "Exists" }] }),
    );
    create("pods", pod("nowhere", { nodeSelector: { zone: "other" } }));
    reconcile(scheduler);
    expect(placed(resources)).toEqual({ picky: "", tolerant: "tainted", nowhere: "" });
  });

  const required = (...nodeSelectorTerms: unknown[]) => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  });
  const expressions = (...matchExpressions: unknown[]) => ({ matchExpressions });

  test("minds required node affinity: labels, fields, any of several terms", () => {
    const { resources, create, reconcile } = server();
    create("nodes", node("a", { metadata: { name: "a", labels: { zone: "a", size: "9" } } }));
    create("nodes", node("b", { metadata: { name: "b", labels: { zone: "b", size: "10", edge: "" } } }));
    const pods: Record<string, [spec: Record<string, unknown>, node: string]> = {
      notin: [required(expressions({ key: "zone", operator: "NotIn", values: ["a"] })), "b"],
      absent: [required(expressions({ key: "edge", operator: "DoesNotExist" })), "a"],
      exists: [required(expressions({ key: "edge", operator: "Exists" })), "b"],
      greater: [required(expressions({ key: "size", operator: "Gt", values: ["9"] })), "b"],
      field: [required({ matchFields: [{ key: "metadata.name", operator: "In", values: ["a"] }] }), "a"],
      either: [
        required(
          expressions({ key: "zone", operator: "In", values: ["x"] }),
          expressions({ key: "zone", operator: "In", values: ["b"] }),
        ),
        "b",
      ],
      empty: [required({}), ""],
    };
    // Four are for b, which holds two otherwise.
    for (const n of resources.store.list("nodes")) {
      resources.store.put("nodes", { ...n, status: { ...(n.status as object), allocatable: { pods: "10" } } });
    }
    for (const [name, [spec]] of Object.entries(pods)) create("pods", pod(name, spec));
    reconcile(scheduler);
    expect(placed(resources)).toEqual(
      Object.fromEntries(Object.entries(pods).map(([name, [, where]]) => [name, where])),
    );
  });

  test("prefers what is preferred, and nodes without PreferNoSchedule, to emptier ones", () => {
    const { resources, create, reconcile } = server();
    create("nodes", node("avoided", { spec: { taints: [{ key: "k", effect: "PreferNoSchedule" }] } }));
    create("nodes", node("b"));
    create("nodes", node("c"));
    const preferred = (zone: string, weight: number) => ({
      weight,
      preference: expressions({ key: "zone", operator: "In", values: [zone] }),
    });
    const terms = { preferredDuringSchedulingIgnoredDuringExecution: [preferred("b", 1), preferred("c", 5)] };
    create("pods", pod("p1", { affinity: { nodeAffinity: terms } }));
    create("pods", pod("p2", { affinity: { nodeAffinity: terms } }));
    create("pods", pod("p3"));
    create("pods", pod("p4"));
    create("pods", pod("p5"));
    reconcile(scheduler);
    expect(placed(resources)).toEqual({ p1: "c", p2: "c", p3: "b", p4: "b", p5: "avoided" });
  });

  test("minds resources, extended ones too, and host ports; pods that have ended use none", () => {
    const { resources, create, reconcile } = server();
    const allocatable = { pods: "10", cpu: "1", memory: "1Gi", "example.com/gpu": "1" };
    create("nodes", node("a", { status: { conditions: [{ type: "Ready", status: "True" }], allocatable } }));
    const needs = (requests: Record<string, string>, more = {}) => ({
      containers: [{ name: "c", image: "i", resources: { requests, limits: requests }, ...more }],
    });
    const port = (hostPort: number) => needs({}, { ports: [{ containerPort: hostPort, hostPort }] });
    const ended = create("pods", pod("ended", { ...needs({ cpu: "1" }), nodeName: "a" }));
    resources.store.put("pods", { ...ended, status: { phase: "Succeeded" } });
    for (
      const [name, spec] of Object.entries({
        p1: needs({ cpu: "600m" }),
        p2: needs({ cpu: "500m" }),
        p3: needs({ memory: "2Gi" }),
        p4: needs({ "example.com/gpu": "1" }),
        p5: needs({ "example.com/gpu": "1" }),
        p6: needs({ "example.com/other": "1" }),
        p7: port(80),
        p8: port(80),
      })
    ) create("pods", pod(name, spec));
    reconcile(scheduler);
    const { ended: _ended, ...found } = placed(resources);
    expect(found).toEqual({ p1: "a", p2: "", p3: "", p4: "a", p5: "", p6: "", p7: "a", p8: "" });
    const why = (name: string) =>
      (resources.store.list("pods").find((p) => p.metadata.name === name) as unknown as {
        status: { conditions: Record<string, unknown>[] };
      }).status.conditions.find(({ type }) => type === "PodScheduled");
    const preemption = (reason: string) => `preemption: 0/1 nodes are available: 1 ${reason}.`;
    const victims = preemption("No preemption victims found for incoming pod");
    const helpless = preemption("Preemption is not helpful for scheduling");
    expect(why("p2")).toMatchObject({
      status: "False",
      reason: "Unschedulable",
      message: `0/1 nodes are available: 1 Insufficient cpu. ${victims}`,
    });
    expect(why("p3")?.message).toBe(`0/1 nodes are available: 1 Insufficient memory. ${helpless}`);
    expect(why("p6")?.message).toBe(`0/1 nodes are available: 1 Insufficient example.com/other. ${helpless}`);
    expect(why("p8")?.message).toContain("1 node(s) didn't have free ports for the requested pod ports");
    const events = resources.store.list("events").map((event) => [event.reason, event.message]);
    expect(events).toContainEqual(["FailedScheduling", why("p2")?.message]);
    // Nothing new to say: nothing is said again.
    reconcile(scheduler);
    expect(resources.store.list("events")).toHaveLength(events.length);
  });

  test("says of a pod that fits nowhere why, by node", () => {
    const { resources, create, reconcile } = server();
    create("pods", pod("p"));
    const why = () =>
      (resources.store.list("pods")[0] as unknown as { status: { conditions: { message: string }[] } }).status
        .conditions[0]?.message;
    reconcile(scheduler);
    expect(why()).toBe("no nodes available to schedule pods");
    create("nodes", node("tainted", { spec: { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] } }));
    create("nodes", node("cordoned", { spec: { unschedulable: true } }));
    create("nodes", node("silent", { status: {} }));
    reconcile(scheduler);
    expect(why()).toBe(
      "0/3 nodes are available: 1 node(s) had untolerated taint {k: v}, 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 1 node(s) were unschedulable. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    );
  });
});

describe("what pods ask and nodes have", () => {
  const node = (allocatable: Record<string, unknown>) => ({
    metadata: { name: "a" },
    status: { conditions: [{ type: "Ready", status: "True" }], allocatable },
  });
  let containers = 0;
  const asking = (cpu: string) => ({ name: `c${containers++}`, image: "i", resources: { requests: { cpu } } });
  const placed = (pods: Record<string, unknown>[], allocatable: Record<string, unknown>) => {
    const { create, resources, reconcile } = server();
    create("nodes", node(allocatable));
    for (const [i, spec] of pods.entries()) create("pods", { metadata: { name: `p${i}` }, spec });
    reconcile(scheduler);
    return resources.store.list("pods").filter((p) => (p.spec as { nodeName?: string }).nodeName === "a").length;
  };

  test("is counted in thousandths of processors: three tenths are not more than 300m", () => {
    const pod = { containers: [asking("100m")] };
    expect(placed([pod, pod, pod], { cpu: "300m" })).toBe(3);
    expect(placed([pod, pod, pod, pod], { cpu: "0.3" })).toBe(3);
  });

  test("may be written in any unit, the number of pods, too", () => {
    const pod = { containers: [asking("0")] };
    expect(placed([pod, pod], { pods: "1k" })).toBe(2);
    expect(placed([pod, pod], { pods: 1 })).toBe(1);
  });

  test("of sidecars counts beside the containers, of other init containers only where it is more", () => {
    const sidecar = { ...asking("200m"), restartPolicy: "Always" };
    const pod = (...initContainers: unknown[]) => ({ containers: [asking("300m")], initContainers });
    expect(placed([pod(sidecar)], { cpu: "499m" })).toBe(0);
    expect(placed([pod(sidecar)], { cpu: "500m" })).toBe(1);
    expect(placed([pod(asking("300m"))], { cpu: "300m" })).toBe(1);
    // It runs beside the sidecars that were started before it.
    expect(placed([pod(sidecar, asking("400m"))], { cpu: "599m" })).toBe(0);
    expect(placed([pod(asking("400m"), sidecar)], { cpu: "500m" })).toBe(1);
  });
});

describe("Events", () => {
  test("of a pod that still fits nowhere are one that is counted up, and go an hour after the last", () => {
    const clock = new ManualClock();
    const { create, resources } = server(clock);
    const controlled = new Controlled(resources, clock, [scheduler, eventExpiry]);
    create("pods", { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }] } });
    for (let i = 0; i < 5; i++) {
      create("nodes", { metadata: { name: `n${i}` }, spec: { unschedulable: true } });
      controlled.settle();
      clock.advance(1_000);
      controlled.settle();
    }
    const [event, ...others] = resources.store.list("events");
    expect(others).toEqual([]);
    expect(event).toMatchObject({ reason: "FailedScheduling", count: 5 });
    expect(event?.message).toMatch(/^0\/5 nodes/);
    clock.advance(59 * 60_000);
    expect(resources.store.list("events")).toHaveLength(1);
    clock.advance(2 * 60_000);
    expect(resources.store.list("events")).toEqual([]);
    controlled[Symbol.dispose]();
    expect(clock.pending).toBe(0);
  });
});

test("heartbeats of Nodes and statuses of pods that run don't make the scheduler look; what changes the room does", () => {
  const { clock, create, resources, report, store } = server();
  const controlled = new Controlled(resources, clock, [scheduler]);
  const looks = (change: () => unknown) => {
    controlled.settle();
    change();
    return !controlled.isIdle;
  };
  const status = (more = {}) => ({
    conditions: [{ type: "Ready", status: "True", ...more }],
    allocatable: { cpu: "1" },
  });
  const asking = (cpu: string, more = {}) => ({
    ...more,
    containers: [{ name: "c", image: "i", resources: { requests: { cpu } } }],
  });
  const node = create("nodes", { metadata: { name: "a" }, status: status() });
  const pod = create("pods", { metadata: { name: "p" }, spec: asking("1", { nodeName: "a" }) });
  expect(looks(() => create("pods", { metadata: { name: "waiting" }, spec: asking("600m") }))).toBe(true);
  expect(looks(() => report("nodes", node, status({ lastHeartbeatTime: "now" })))).toBe(false);
  expect(looks(() => report("nodes", node, status({ status: "False" })))).toBe(true);
  expect(looks(() => report("nodes", node, status()))).toBe(true);
  expect(looks(() => store.put("nodes", { ...node, spec: { unschedulable: true } }))).toBe(true);
  expect(looks(() => store.put("nodes", node))).toBe(true);
  expect(looks(() => report("pods", pod, { phase: "Running" }))).toBe(false);
  expect(looks(() => report("pods", pod, { phase: "Succeeded" }))).toBe(true);
  controlled.settle();
  expect(store.get("pods", "default/waiting")?.spec).toMatchObject({ nodeName: "a" });
  controlled[Symbol.dispose]();
  expect(clock.pending).toBe(0);
});

describe("taint eviction", () => {
  const unreachable = { key: "node.kubernetes.io/unreachable", effect: "NoExecute" };
  const tolerating = (tolerationSeconds?: number | bigint) => ({
    ...unreachable,
    operator: "Exists",
    ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
  });
  const setUp = () => {
    const clock = new ManualClock();
    const all = server(clock);
    const controlled = new Controlled(all.resources, clock, [taintEviction]);
    const stop = () => controlled[Symbol.dispose]();
    const node = all.create("nodes", { metadata: { name: "gw-0" } });
    const taint = (taints: unknown[]) =>
      all.resources.store.put("nodes", { ...node, spec: { taints } } as unknown as KubeObject);
    const pod = (name: string, tolerations: unknown[]) =>
      all.create("pods", {
        metadata: { name },
        spec: { nodeName: "gw-0", tolerations, containers: [{ name: "c", image: "i" }] },
      });
    const ending = () =>
      all.resources.store.list("pods").filter((p) => p.metadata.deletionTimestamp !== undefined).map((p) =>
        p.metadata.name
      );
    /** Time passes; what is due is done. */
    const pass = (ms: number) => {
      controlled.settle();
      clock.advance(ms);
      controlled.settle();
    };
    return { ...all, taint, pod, ending, stop, pass };
  };

  test("deletes at once, after what is tolerated, or never; with an Event", () => {
    const { clock, pass, ending, pod, resources, stop, taint } = setUp();
    // Admission adds three hundred seconds to the first: a real pod without a toleration has them as well.
    pod("short", [tolerating(2)]);
    pod("forever", [tolerating()]);
    pod("default", []);
    taint([unreachable]);
    pass(1999);
    expect(ending()).toEqual([]);
    pass(2);
    expect(ending()).toEqual(["short"]);
    pass(300_000);
    expect(ending().sort()).toEqual(["default", "short"]);
    taint([{ key: "mine", effect: "NoExecute" }]);
    pass(1);
    expect(ending().sort()).toEqual(["default", "forever", "short"]);
    expect(resources.store.list("events").map(({ reason }) => reason)).toContain("TaintManagerEviction");
    stop();
    expect(clock.pending).toBe(0);
  });

  test("of a pod that tolerates longer than a double holds waits for ever", () => {
    const { pass, ending, pod, stop, taint } = setUp();
    pod("longest", [tolerating(9223372036854775807n)]);
    taint([unreachable]);
    pass(1e9);
    expect(ending()).toEqual([]);
    stop();
  });

  test("is called off where the taint goes in time", () => {
    const { clock, pass, ending, pod, stop, taint } = setUp();
    pod("p", [tolerating(10)]);
    taint([unreachable]);
    pass(9000);
    taint([]);
    pass(60_000);
    expect(ending()).toEqual([]);
    expect(clock.pending).toBe(0);
    stop();
  });
});

describe("the node life cycle", () => {
  const ready = { type: "Ready", status: "True", lastHeartbeatTime: "1970-01-01T00:00:00Z" };
  const statusOf = (resources: Resources) =>
    (resources.store.list("nodes")[0] as unknown as { status: { conditions: { status: string }[] } }).status
      .conditions[0]?.status;

  test("of a node that is silent longer than its grace nothing is known, until it speaks", () => {
    const clock = new ManualClock();
    const { resources, create } = server(clock);
    using controlled = new Controlled(resources, clock, [nodeLifecycle]);
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
      taints: ["NoSchedule", "NoExecute"].map((effect) => ({ key: "node.kubernetes.io/unreachable", effect })),
    });
    // Its clock may be an hour slow: that it says something new is what counts.
    said(-3_600_000);
    clock.advance(5_000);
    controlled.settle();
    expect(statusOf(resources)).toBe("True");
    expect(resources.store.list("nodes")[0]?.spec).toEqual({});
  });

  test("that the clock is set makes no node late, and none that is late punctual", () => {
    const manual = new ManualClock();
    const clock = new SteppedClock(manual);
    const { resources, create } = server(manual);
    using _controlled = new Controlled(resources, clock, [nodeLifecycle]);
    create("nodes", { metadata: { name: "gw-0" } });
    resources.store.put("nodes", {
      ...resources.store.list("nodes")[0] as KubeObject,
      status: { conditions: [ready] },
    });
    manual.advance(10_000);
    clock.step(7_200_000);
    manual.advance(35_000);
    expect(statusOf(resources)).toBe("True");
    clock.step(-14_400_000);
    manual.advance(15_000);
    expect(statusOf(resources)).toBe("Unknown");
  });
});
