import { describe, expect, test } from "vitest";
import type { HopRecord } from "../../../../base/hop/hop.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { EdgeLoad, type EdgeOperation } from "../../../../edge-sim/load/edge-load.ts";
import type { Fleet } from "../../../../edge-sim/fleet/fleet.ts";

const hop = (more: Partial<HopRecord>): HopRecord => ({
  time: 0,
  hop: "",
  direction: "up",
  node: "e",
  id: "",
  parent: "",
  operation: "",
  resource: "",
  source: "",
  group: "",
  version: "",
  size: 0,
  wait: 0,
  ack: 0,
  attempt: 0,
  outcome: "",
  text: "",
  ...more,
});

describe("what is measured at the edges", () => {
  test("joins once, and returns from the loss of a connection until the edge is registered again", () => {
    const clock = new ManualClock(0);
    const { report, watch } = bound(new EdgeLoad(clock, 10_000));
    watch.started("e");
    clock.advance(100);
    watch.connected("e");
    clock.advance(50);
    watch.registered("e");
    expect(report().flows).toEqual({ join: [[100, 1]], ready: [[150, 1]] });
    watch.disconnected("e");
    clock.advance(1000);
    watch.connected("e");
    watch.disconnected("e");
    clock.advance(500);
    watch.connected("e");
    watch.registered("e");
    expect(report()).toMatchObject({ flows: { reconnect: [[1500, 1]] }, losses: 2 });
    expect(report().flows).toEqual({});
  });

  test("leases from when they were due", () => {
    const { report, tap } = bound(new EdgeLoad(new ManualClock(0), 10_000));
    const lease = { resource: "kube-node-lease/lease/e", operation: "update" };
    tap(hop({ hop: "edge.write", id: "1", time: 0, ...lease }));
    tap(hop({ hop: "edge.read", parent: "1", time: 20 }));
    tap(hop({ hop: "edge.write", id: "2", time: 10_400, ...lease }));
    tap(hop({ hop: "edge.read", parent: "2", time: 10_430 }));
    expect(report().flows).toEqual({ "lease.late": [[20, 1], [430, 1]] });
  });

  test("versions by how many edges stored them and when the last did, and values that devices took", () => {
    const { report, tap } = bound(new EdgeLoad(new ManualClock(0), 10_000));
    for (const [node, time] of [["a", 5], ["b", 9]] as const) {
      tap(hop({ hop: "edge.store", resource: "ns/configmap/c", version: "7", node, time, outcome: "put" }));
    }
    tap(hop({ hop: "edge.store", resource: "ns/configmap/c", version: "7", outcome: "delete" }));
    tap(hop({ hop: "device.apply", resource: "device/ns/d/target", outcome: "42", time: 3 }));
    expect(report()).toMatchObject({
      stored: [{ path: "ns/configmap/c", version: "7", edges: 2, last: 9 }],
      applied: [{ device: "ns/d", value: "42", at: 3 }],
    });
  });
});

describe("what edges are made to do", () => {
  const edge = (isConnected: boolean) => {
    const told: string[] = [];
    const fleet = {
      get: (name: string) =>
        name !== "e" ? undefined : {
          hub: { isConnected },
          devices: {
            report: (device: string, property: string, value: string) =>
              void told.push(`${device} ${property} ${value}`),
          },
          query: () => Promise.resolve({}),
        },
    } as unknown as Fleet;
    return { fleet, told };
  };

  test("is done when it is due, and timed from then", async () => {
    const clock = new ManualClock(1000);
    const load = new EdgeLoad(clock, 10_000);
    const { fleet, told } = edge(true);
    const operations: EdgeOperation[] = [
      { kind: "report", at: 1200, edge: "e", device: "ns/d", property: "p", size: 8 },
      { kind: "query", at: 900, edge: "e", id: 7, path: "ns/configmap/c" },
    ];
    load.operate(fleet, operations);
    await Promise.resolve();
    expect(told).toEqual([]);
    clock.advance(200);
    expect(told).toEqual(["ns/d p 1200:xxx"]);
    const { ended, flows } = load.report();
    expect(ended).toEqual([7]);
    expect(flows["query.answered"]).toEqual([[100, 1]]);
    expect(flows["generator.late"]).toEqual([[100, 1], [0, 1]]);
  });

  test("is told with its reason where it can't be done", () => {
    const load = new EdgeLoad(new ManualClock(0), 10_000);
    load.operate(edge(false).fleet, [
      { kind: "query", at: 0, edge: "e", id: 7, path: "x" },
      { kind: "report", at: 0, edge: "unknown", device: "ns/d", property: "p", size: 0 },
    ]);
    expect(load.report()).toMatchObject({
      ended: [7],
      unreported: [{ device: "ns/d", at: 0 }],
      errors: { "query: the edge is not connected": 1, "report: the edge is not connected": 1 },
    });
  });
});

/** Methods without their object. */
function bound(load: EdgeLoad) {
  return { report: () => load.report(), tap: load.onHop, watch: load.watch };
}
