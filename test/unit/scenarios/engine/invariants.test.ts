// An invariant that can't break proves nothing: here each of them does.
import { describe, expect, test } from "vitest";
import { type HopFacts, type HopName, hopOf } from "../../../../protocol/message/hops.ts";
import { HopRing } from "../../../../base/hop/ring.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { EdgeStore } from "../../../../edge-sim/metamanager/store.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";
import { TimerWheel } from "../../../../base/time/timer-wheel.ts";
import { judgeInvariants } from "../../../../scenarios/engine/invariants.ts";
import { parseScenarios } from "../../../../scenarios/engine/parse.ts";
import { runScenario } from "../../../../scenarios/engine/run.ts";
import type { Scenario } from "../../../../scenarios/model/scenario.ts";
import { stepTable } from "../../../../scenarios/steps/table.ts";
import { capabilities, type Capability } from "../../../../scenarios/model/capabilities.ts";
import type { Environment } from "../../../../scenarios/model/environment.ts";

const pod = (version: string, more: Record<string, unknown> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "default", name: "p", uid: "u1", resourceVersion: version },
  spec: { nodeName: "edge-0", ...more },
});

const configmap: KubeObject = {
  kind: "ConfigMap",
  metadata: { namespace: "default", name: "app", resourceVersion: "3" },
};
const user = pod("7", { containers: [{ name: "c", envFrom: [{ configMapRef: { name: "app" } }] }] });

const record: KubeObject = {
  metadata: { namespace: "default", name: "edge-0.u1" },
  status: { objectResourceVersion: "7" },
};

/** An environment with one edge, as far as the invariants look at it. */
function worldWith(
  parts: {
    readonly api?: KubeObject[];
    readonly held?: KubeObject[];
    readonly records?: KubeObject[];
    readonly statuses?: KubeObject[];
    readonly devices?: Readonly<Record<string, Record<string, { readonly desired?: string }>>>;
    readonly hops?: (HopFacts & { readonly hop?: HopName })[];
    readonly ringBytes?: number;
    readonly owners?: ReadonlySet<string>;
    readonly metrics?: Record<string, number>;
    readonly isConnected?: boolean;
    readonly cloudcores?: number;
    readonly capabilities?: readonly Capability[];
  },
): Environment {
  const store = new EdgeStore();
  for (const object of parts.held ?? []) {
    store.put(`default/${(object.kind ?? "").toLowerCase()}/${object.metadata.name}`, object);
  }
  const hops = new HopRing(parts.ringBytes ?? 1_000_000);
  for (const hop of parts.hops ?? []) {
    const about = { header: { msg_id: hop.id ?? "" }, route: { operation: "update", resource: "default/pod/p" } };
    hops.push(hopOf(about, { time: 0, hop: "edge.store", direction: "down", node: "edge-0", ...hop }));
  }
  const devices = parts.devices ?? {};
  const edge = {
    name: "edge-0",
    hub: { isConnected: parts.isConnected ?? true },
    store,
    devices: { all: () => Object.keys(devices), stateOf: (id: string) => ({ state: "", twin: devices[id] ?? {} }) },
  };
  const ofKind = (wanted: string) => (parts.api ?? []).filter(({ kind }) => kind === wanted);
  const items: Record<string, KubeObject[]> = {
    Pod: ofKind("Pod"),
    Node: ofKind("Node"),
    ConfigMap: ofKind("ConfigMap"),
    Device: ofKind("Device"),
    DeviceModel: ofKind("DeviceModel"),
    DeviceStatus: parts.statuses ?? [],
    ObjectSync: parts.records ?? [],
  };
  return {
    kube: { list: ({ kind }: { kind: string }) => Promise.resolve({ items: items[kind] ?? [] }) },
    fleet: { edges: () => [edge] },
    hops,
    clock: new ManualClock(),
    capabilities: new Set(parts.capabilities ?? capabilities),
    // No time to settle: what is broken now is broken.
    patience: 0,
    cloudcores: parts.cloudcores ?? 1,
    owners: () => parts.owners ?? new Set(["edge-0"]),
    metrics: () => Promise.resolve(parts.metrics ?? {}),
  } as unknown as Environment;
}

const device = (desired: string): KubeObject => ({
  kind: "Device",
  metadata: { namespace: "default", name: "d" },
  spec: {
    nodeName: "edge-0",
    deviceModelRef: { name: "thermometer" },
    properties: [{ name: "t", desired: { value: desired } }],
  },
});
const model = (accessMode: string): KubeObject => ({
  kind: "DeviceModel",
  metadata: { namespace: "default", name: "thermometer" },
  spec: { properties: [{ name: "t", accessMode }] },
});
const status = (value: string): KubeObject => ({
  metadata: { namespace: "default", name: "d" },
  status: { twins: [{ propertyName: "t", reported: { value } }] },
});
const written = (value: string) => ({
  hop: "edge.write" as const,
  direction: "up" as const,
  resource: "device/default/d/twin/edge_updated",
  text: JSON.stringify({ content: { twin: { t: { actual: { value } } } } }),
});

async function verdicts(environment: Environment) {
  const results = await judgeInvariants(environment, new AbortController().signal);
  return Object.fromEntries(results.map(({ name, verdict, details }) => [name, [verdict, ...details].join(": ")]));
}

describe("each edge holds what the API says it should", () => {
  const name = "each edge holds what the API says it should";

  test.each<[string, Parameters<typeof worldWith>[0], RegExp]>([
    ["the same", { api: [pod("7")], held: [pod("7")] }, /^held$/],
    ["an older version that differs in what the edge reported alone", { api: [pod("8")], held: [pod("7")] }, /^held$/],
    [
      "an older version",
      { api: [pod("8", { x: 1 })], held: [pod("7")] },
      /broken: edge-0 holds .* version 7; the API has 8/,
    ],
    ["what is gone", { held: [pod("7")] }, /broken: edge-0 still holds default\/pod\/p/],
    ["nothing", { api: [pod("7")] }, /broken: edge-0 lacks default\/pod\/p/],
    [
      "all but the configmap of its pod",
      { api: [user, configmap], held: [user] },
      /broken: edge-0 lacks default\/configmap\/app, which default\/pod\/p uses/,
    ],
    ["its pod's configmap, too", { api: [user, configmap], held: [user, configmap] }, /^held$/],
    ["all but a configmap that nobody has", { api: [user], held: [user] }, /^held$/],
    ["all but the configmap of a pod that has ended", {
      api: [{ ...user, status: { phase: "Failed" } }, configmap],
      held: [user],
    }, /^held$/],
    [
      "all but the model of its device",
      { api: [device("5"), model("ReadWrite")], held: [device("5")] },
      /broken: edge-0 lacks default\/devicemodel\/thermometer, which default\/device\/d uses/,
    ],
    ["nothing, being away", { api: [pod("7")], isConnected: false }, /^held$/],
  ])("when it has %s", async (_, parts, verdict) => {
    expect((await verdicts(worldWith(parts)))[name]).toMatch(verdict);
  });
});

test("an edge whose Node is not the API's, or that is sent another's, is found", async () => {
  const node = (name: string, labels: Record<string, string> = {}): KubeObject => ({
    kind: "Node",
    metadata: { name, uid: `uid-${name}`, resourceVersion: Object.keys(labels).length === 0 ? "3" : "4", labels },
  });
  const stale = worldWith({ api: [node("edge-0", { zone: "a" })] });
  stale.fleet.edges()[0]?.store.put("null/node/edge-0", node("edge-0"));
  expect((await verdicts(stale))["each edge holds what the API says it should"]).toMatch(
    /broken: edge-0 holds null\/node\/edge-0 as of version 3; the API has 4, and no ObjectSync says/,
  );
  const come = (name: string) => [{ hop: "edge.read" as const, resource: `null/node/${name}` }];
  const owners = "nothing was delivered to a node that doesn't own it";
  expect((await verdicts(worldWith({ hops: come("edge-0"), owners: new Set() })))[owners]).toBe("held");
  expect((await verdicts(worldWith({ hops: come("edge-1"), owners: new Set() })))[owners]).toMatch(
    /broken: edge-0 got null\/node\/edge-1/,
  );
});

test("what was acknowledged and is not there is lost", async () => {
  const lost = await verdicts(worldWith({ api: [pod("7")], records: [record] }));
  expect(lost["nothing acknowledged is lost"]).toMatch(/broken: edge-0 acknowledged default\/pod\/p at 7/);
  const moved = await verdicts(worldWith({ api: [pod("7", { nodeName: "edge-1" })], records: [record] }));
  expect(moved["nothing acknowledged is lost"]).toBe("held");
});

describe("no version went backwards", () => {
  const name = "no version went backwards";

  test("breaks when an older one is stored after a newer, per object and node", async () => {
    const back = worldWith({ hops: [{ version: "9" }, { version: "10" }, { version: "9" }] });
    expect((await verdicts(back))[name]).toMatch(/broken: edge-0 got default\/pod\/p at 9 after 10/);
    const apart = worldWith({ hops: [{ version: "9" }, { version: "8", node: "edge-1" }, { version: "9" }] });
    expect((await verdicts(apart))[name]).toBe("held");
  });

  test("of several cloudcores one may be behind: then an edge that comes to it must get the newest again", async () => {
    const moved = [{ version: "9" }, { hop: "edge.connect" as const }, { version: "8" }];
    const of = async (cloudcores: number, hops: typeof moved) =>
      (await verdicts(worldWith({ cloudcores, hops })))[name];
    expect(await of(1, moved)).toMatch(/broken: edge-0 got default\/pod\/p at 8 after 9/);
    expect(await of(3, moved)).toMatch(/broken: edge-0 is left with default\/pod\/p at 8, and had 9 before/);
    expect(await of(3, [...moved, { version: "9" }])).toBe("held");
    expect(await of(3, [...moved, { version: "7" }])).toMatch(/broken: edge-0 got default\/pod\/p at 7 after 8/);
  });

  test("is not judged of what a fault of the link has sent late, twice or with another byte", async () => {
    const late = [{ version: "9" }, { version: "10" }, { version: "9", id: "late" }];
    const altered = (outcome: string, hop: HopName = "link.alter") =>
      worldWith({ hops: [{ hop, id: "late", outcome }, ...late] });
    expect((await verdicts(altered("reordered by a fault on the link")))[name]).toBe("held");
    expect((await verdicts(altered("duplicated by a fault on the link")))[name]).toBe("held");
    expect((await verdicts(altered("corrupted by a fault on the link")))[name]).toBe("held");
    expect((await verdicts(altered("a fault on the link", "link.drop")))[name]).toMatch(/broken/);
  });

  test("is not judged from a ring that has lost hops", async () => {
    expect((await verdicts(worldWith({ hops: [{}, {}], ringBytes: 1 })))[name]).toBe("not judged");
  });
});

test("a pod that reaches a node it was never bound to is a violation; its deletion there is none", async () => {
  const name = "nothing was delivered to a node that doesn't own it";
  const hops = [{ hop: "edge.read" as const }];
  expect((await verdicts(worldWith({ hops, owners: new Set() })))[name]).toMatch(/broken: edge-0 got default\/pod\/p/);
  expect((await verdicts(worldWith({ hops })))[name]).toBe("held");
  const deletion = [{ hop: "edge.read" as const, operation: "delete" }];
  expect((await verdicts(worldWith({ hops: deletion, owners: new Set() })))[name]).toBe("held");
});

test("a configmap that reaches a node whose pods never used it is a violation, unless an application there asked for it", async () => {
  const name = "nothing was delivered to a node that doesn't own it";
  const come = (source: string) => [{ hop: "edge.read" as const, resource: "default/configmap/app", source }];
  const of = async (source: string, owners: ReadonlySet<string>) =>
    (await verdicts(worldWith({ hops: come(source), owners })))[name];
  expect(await of("edgecontroller", new Set(["edge-1"]))).toMatch(/broken: edge-0 got default\/configmap\/app/);
  expect(await of("edgecontroller", new Set(["edge-0"]))).toBe("held");
  expect(await of("dynamiccontroller", new Set())).toBe("held");
});

test("an object that a corrupted name has made of another is blamed on nobody; a real one that is gone is", async () => {
  const [holds, owners] = [
    "each edge holds what the API says it should",
    "nothing was delivered to a node that doesn't own it",
  ];
  const stray: KubeObject = { kind: "ConfigMap", metadata: { name: "app-j", namespace: "default" } };
  const come = (outcome: string) => [
    { hop: "link.alter" as const, id: "m", outcome },
    { hop: "edge.read" as const, id: "m", resource: "default/configmap/app-j" },
    { hop: "edge.store" as const, id: "m", resource: "default/configmap/app-j" },
  ];
  const of = async (outcome: string, owned: ReadonlySet<string>) => {
    const found = await verdicts(worldWith({ held: [stray], hops: come(outcome), owners: owned }));
    return [found[holds], found[owners]];
  };
  expect(await of("corrupted by a fault on the link", new Set())).toEqual(["held", "held"]);
  const gone = /broken: edge-0 still holds default\/configmap\/app-j/;
  expect((await of("corrupted by a fault on the link", new Set(["edge-0"])))[0]).toMatch(gone);
  expect((await of("duplicated by a fault on the link", new Set()))[0]).toMatch(gone);
});

test("what an edge has acknowledged without storing it is a violation", async () => {
  const name = "what is acknowledged has been stored";
  const other = { hop: "edge.store" as const, id: "other" };
  const acked = { hop: "hub.ack" as const, id: "m1" };
  expect((await verdicts(worldWith({ hops: [other, acked] })))[name]).toMatch(
    /broken: edge-0 acknowledged .* \(m1\) without/,
  );
  expect((await verdicts(worldWith({ hops: [{ ...other, id: "m1" }, acked] })))[name]).toBe("held");
  expect((await verdicts(worldWith({ hops: [other] })))[name]).toBe("held");
  // The deletion of a former pod of that name.
  expect((await verdicts(worldWith({ hops: [other, { ...acked, operation: "delete" }] })))[name]).toBe("held");
  const unseen = capabilities.filter((each) => each !== "cloud-messages");
  expect((await verdicts(worldWith({ hops: [other, acked], capabilities: unseen })))[name]).toBe("not judged");
});

test("a report that is stored after a later one is a violation, unless a fault has sent it late", async () => {
  const name = "reports of a device are stored in their order";
  const resource = "device/default/d/twin/edge_updated";
  const at = (hop: HopName, id: string) => ({
    hop,
    id,
    resource,
    ...(hop === "kube.write" ? { outcome: "stored in the DeviceStatus" } : {}),
  });
  const inOrder = [at("edge.write", "r1"), at("edge.write", "r2"), at("kube.write", "r1"), at("kube.write", "r2")];
  const turned = [...inOrder.slice(0, 2), at("kube.write", "r2"), at("kube.write", "r1")];
  const late = { hop: "link.alter" as const, id: "r1", outcome: "reordered by a fault on the link" };
  expect((await verdicts(worldWith({ hops: inOrder })))[name]).toBe("held");
  expect((await verdicts(worldWith({ hops: turned })))[name]).toMatch(/broken: .*r1 was stored after a later one/);
  expect((await verdicts(worldWith({ hops: [late, ...turned] })))[name]).toBe("held");
  // Lost, and sent again after a report of another property has been stored.
  const again = [...inOrder.slice(0, 2), at("kube.write", "r2"), at("edge.write", "r1"), at("kube.write", "r1")];
  expect((await verdicts(worldWith({ hops: again })))[name]).toBe("held");
});

test("a queue that is not empty is named", async () => {
  const metrics = { hub_waiting: 0, bus_depth: 2, hub_written: 5 };
  expect((await verdicts(worldWith({ metrics })))["all queues are drained"]).toBe("broken: bus_depth is 2");
});

test("a connection without a session is a violation; without a hub of ours it is not judged", async () => {
  const name = "no connection outlives its session";
  const of = async (metrics: Record<string, number>) => (await verdicts(worldWith({ metrics })))[name];
  expect(await of({ connections_without_session: 0 })).toBe("held");
  expect(await of({ connections_without_session: 2 })).toMatch(/broken: 2 connections of edges are open/);
  expect(await of({})).toBe("not judged");
});

test("what the target does not show is not judged", async () => {
  const found = await verdicts(worldWith({ api: [pod("7")], held: [], records: [record], capabilities: ["pods"] }));
  expect(Object.values(found).filter((verdict) => verdict !== "not judged")).toEqual([]);
});

describe("devices", () => {
  const reports = "the last value that each device reported is in its DeviceStatus";
  const desires = "each device has the value that was last desired of it";
  const none = { "default/d": { t: {} } };
  const all = { api: [device("5")], devices: { "default/d": { t: { desired: "5" } } } };

  test.each<[string, Parameters<typeof worldWith>[0], RegExp]>([
    ["the last one is stored", { ...all, hops: [written("1"), written("2")], statuses: [status("2")] }, /^held$/],
    [
      "an older one is stored",
      { ...all, hops: [written("1"), written("2")], statuses: [status("1")] },
      /broken: default\/d has reported t 2; the API has 1/,
    ],
    ["none is stored", { ...all, hops: [written("1")] }, /broken: .* the API has nothing/],
    [
      "a fault has corrupted the last one",
      {
        ...all,
        hops: [
          { ...written("1"), id: "r" },
          { hop: "link.alter" as const, id: "r", outcome: "corrupted by a fault on the link" },
        ],
      },
      /^held$/,
    ],
    [
      "a fault has corrupted an older one",
      {
        ...all,
        hops: [
          { ...written("1"), id: "r" },
          { hop: "link.alter" as const, id: "r", outcome: "corrupted by a fault on the link" },
          written("2"),
        ],
      },
      /broken: .* has reported t 2; the API has nothing/,
    ],
    ["its edge is away", { ...all, hops: [written("1")], isConnected: false }, /^held$/],
    ["some messages are lost", { ...all, hops: [written("1"), written("2")], ringBytes: 500 }, /^not judged$/],
  ])("reports: %s", async (_, parts, verdict) => {
    expect((await verdicts(worldWith(parts)))[reports]).toMatch(verdict);
  });

  test.each<[string, Parameters<typeof worldWith>[0], RegExp]>([
    ["the same", all, /^held$/],
    ["another", { ...all, api: [device("6")] }, /broken: default\/d was last asked for t 5; the API wants 6/],
    ["none, since it is read-only", { ...all, api: [...all.api, model("ReadOnly")], devices: none }, /^held$/],
    [
      "none, and could",
      { ...all, api: [...all.api, model("ReadWrite")], devices: none },
      /broken: .* asked for t nothing; the API wants 5/,
    ],
  ])("desired: it has %s", async (_, parts, verdict) => {
    expect((await verdicts(worldWith(parts)))[desires]).toMatch(verdict);
  });
});

test("an object that was deleted at an edge and comes again is found, a new one of its name is not", async () => {
  const name = "a deleted object stays deleted at its edge";
  const come = (operation: string, uid: string) => ({
    hop: "edge.read" as const,
    operation,
    text: JSON.stringify({ content: { metadata: { uid } } }),
  });
  const hops = [come("insert", "u1"), come("delete", "u1"), come("insert", "u2")];
  expect((await verdicts(worldWith({ hops })))[name]).toBe("held");
  expect((await verdicts(worldWith({ hops: [...hops, come("delete", "u2"), come("update", "u2")] })))[name]).toMatch(
    /broken: edge-0 got default\/pod\/p again after its deletion \(uid u2\)/,
  );
});

describe("nothing is left behind", () => {
  /** What a scenario without steps comes to in an environment that ends so. */
  async function ending(stop: () => Promise<string[]>) {
    const [scenario] = parseScenarios("skep: 1\nname: x\nsteps: [{ wait: 1ms }]\n", "x.yaml", stepTable);
    const clock = new TimerWheel();
    const environment = {
      ...worldWith({}),
      clock,
      token: "",
      namespace: "default",
      named: (value: unknown) => value,
      stop,
    };
    const target = {
      name: "by hand",
      capabilities: new Set(capabilities),
      patience: 1,
      open: () => Promise.resolve(environment),
    };
    const result = await runScenario(
      scenario as Scenario,
      {
        target,
        steps: stepTable,
        seed: 1,
        forceSeed: false,
        signal: new AbortController().signal,
        progress: {},
        wrongFiles: () => Promise.resolve([]),
      } as unknown as Parameters<typeof runScenario>[1],
    );
    const { details, verdict } = result.invariants.find(({ name }) => name === "nothing is left behind") ?? {};
    return [result.verdict, verdict, ...details ?? []];
  }

  test("holds where the environment ends whole", async () => {
    expect(await ending(() => Promise.resolve([]))).toEqual(["passed", "held"]);
  });

  test("is broken by timers that are still set, and by an environment that can't be stopped", async () => {
    const timers = await ending(() => Promise.resolve(["2 timers are still set"]));
    expect(timers).toEqual(["failed", "broken", "2 timers are still set"]);
    const stuck = await ending(() => Promise.reject(new Error("a socket is open")));
    expect(stuck).toEqual(["failed", "broken", "the environment could not be stopped: a socket is open"]);
  });
});
