import { describe, expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import type { KubeClient } from "../../../../cloud/kube/client.ts";
import type { EdgeOperation } from "../../../../edge-sim/load/edge-load.ts";
import type { EdgeProcessReport } from "../../../../edge-sim/load/protocol.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";
import { kindPicker, Operations } from "../../../../scenarios/load/operations.ts";
import type { Mix } from "../../../../scenarios/load/profile.ts";
import { Recorder } from "../../../../scenarios/load/recorder.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const mixOf = (kind: Mix["kind"], more: Partial<Mix> = {}): Mix => ({
  kind,
  share: 1,
  alive: 500,
  size: 16,
  edges: Infinity,
  count: 1,
  ...more,
});

/** Operations on an API that answers at once, and what they did there and told the edges. */
function bench(mix: readonly Mix[], refusal?: Error) {
  const clock = new ManualClock(Date.parse("2026-01-01T00:00:00Z"));
  const recorder = new Recorder();
  const called: string[] = [];
  const told: EdgeOperation[] = [];
  let version = 0;
  const answer = (what: string, object: Partial<KubeObject>) => {
    called.push(what);
    if (refusal !== undefined) return Promise.reject(refusal);
    version++;
    const { metadata } = object;
    return Promise.resolve({
      ...object,
      metadata: { ...metadata, uid: `uid-${version}`, resourceVersion: String(version) },
    });
  };
  const kube = {
    create: (_: unknown, object: KubeObject) => answer(`create ${object.metadata.name}`, object),
    delete: ({ name }: { name: string }) => answer(`delete ${name}`, { metadata: { name } } as KubeObject),
    patch: ({ name }: { name: string }) => answer(`patch ${name}`, { metadata: { name } } as KubeObject),
  } as unknown as KubeClient;
  const operations = new Operations({
    kube,
    clock,
    random: new Random(1),
    recorder,
    prepared: {
      namespace: "ns",
      edges: ["e-0"],
      devices: [{ edge: "e-0", name: "d", reported: "reading", isText: true, desired: "target", desiredAt: 1 }],
      configmaps: [{ name: "c", users: 2 }],
      standing: [{ name: "s", edge: "e-0", configmaps: ["c"] }],
    },
    run: "r",
    mix,
    lostAfter: 1000,
    operate: (more) => void told.push(...more),
    origin: () => clock.now(),
  });
  const hear = (more: Partial<EdgeProcessReport>) =>
    operations.hear({ applied: [], ended: [], stored: [], unreported: [], ...more } as unknown as EdgeProcessReport);
  const pod = (type: "added" | "deleted", name: string, uid: string) =>
    operations.podChanged({
      type,
      object: { metadata: { name, namespace: "ns", uid }, status: { phase: "Running" } },
    } as never);
  return { called, clock, hear, operations, pod, recorder, told };
}

const took = (recorder: Recorder, flow: string) => recorder.flows.get(flow as never)?.maxValue;

describe("operations", () => {
  test("of pods end when a pod runs; it is deleted when its time is over, and that is timed from then", async () => {
    const { called, clock, operations, pod, recorder } = bench([mixOf("pods")]);
    const done = operations.run("pods", clock.now());
    await turn();
    clock.advance(40);
    pod("added", "churn-1", "uid-1");
    await done;
    expect(took(recorder, "pod.running")).toBe(40);
    expect(operations.underWay).toBe(1);
    clock.advance(500);
    await turn();
    expect(called).toEqual(["create churn-1", "delete churn-1"]);
    clock.advance(30);
    pod("deleted", "churn-1", "uid-1");
    await turn();
    expect(took(recorder, "pod.gone")).toBe(30);
    expect(operations.underWay).toBe(0);
  });

  test("that nothing is seen of are lost; those that the API refuses are errors with their reason", async () => {
    const { clock, operations, recorder } = bench([mixOf("pods")]);
    const done = operations.run("pods", clock.now());
    await turn();
    clock.advance(1001);
    await done;
    expect(recorder.counts).toMatchObject({ lost: 1, errors: 0 });
    const refused = bench([mixOf("restarts")], new Error("quota exceeded"));
    await refused.operations.run("restarts", refused.clock.now());
    expect([...refused.recorder.reasons]).toEqual([["restarts: quota exceeded", 1]]);
    expect(refused.operations.underWay).toBe(0);
  });

  test("on one device: a value that a newer one replaced on the way is not lost", async () => {
    const { clock, hear, operations, recorder } = bench([mixOf("desired")]);
    const both = [operations.run("desired", clock.now()), operations.run("desired", clock.now())];
    await turn();
    clock.advance(25);
    hear({ applied: [{ device: "ns/d", value: "2", at: clock.now() }] });
    await Promise.all(both);
    expect(recorder.counts).toMatchObject({ lost: 0, replaced: 1 });
    expect(took(recorder, "desired.applied")).toBe(25);
  });

  test("of edges are handed to them together: reports are seen in the status, queries when they have ended", async () => {
    const { clock, hear, operations, recorder, told } = bench([mixOf("reports"), mixOf("queries")]);
    const due = clock.now() + 50;
    const all = [operations.run("reports", due), operations.run("reports", due), operations.run("queries", due)];
    expect(told).toEqual([]);
    operations.flush();
    expect(told).toMatchObject([
      { kind: "report", at: due, device: "ns/d", property: "reading", size: 16 },
      { kind: "report", at: due + 1 },
      { kind: "query", at: due, path: "ns/configmap/c", id: 3 },
    ]);
    clock.advance(80);
    const twins = [{ propertyName: "reading", reported: { value: `${due + 1}:xx` } }];
    operations.statusChanged({
      type: "added",
      object: { metadata: { name: "d", namespace: "ns" }, status: { twins } },
    });
    hear({ ended: [3] });
    await Promise.all(all);
    expect(recorder.counts).toMatchObject({ lost: 0, replaced: 1 });
    expect(took(recorder, "report.seen")).toBe(30);
  });

  test("on configmaps end when the last edge has stored the change", async () => {
    const { clock, hear, operations, recorder } = bench([mixOf("configmaps")]);
    const done = operations.run("configmaps", clock.now());
    await turn();
    const stored = (at: number) => hear({ stored: [{ path: "ns/configmap/c", version: "1", edges: 1, last: at }] });
    stored(clock.now() + 5);
    stored(clock.now() + 9);
    await done;
    expect(took(recorder, "configmap.acked")).toBe(9);
    expect(recorder.slowest[0]).toMatchObject({ flow: "configmap.acked", what: "c on 2 edges", took: 9 });
  });
});

test("kinds are drawn by their shares, the same ones from the same seed", () => {
  const mix = [mixOf("pods", { share: 3 }), mixOf("queries")];
  const draw = () => {
    const pick = kindPicker(mix, new Random(7));
    return Array.from({ length: 4000 }, pick);
  };
  const drawn = draw();
  const pods = drawn.filter((kind) => kind === "pods").length;
  expect(pods).toBeGreaterThan(2850);
  expect(pods).toBeLessThan(3150);
  expect(draw()).toEqual(drawn);
});
