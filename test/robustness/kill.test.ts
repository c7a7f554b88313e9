// cloudcore killed again and again (SIGKILL, a process of its own) while things are created, changed and deleted: at the end
// every edge holds what the API says.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type HopRecord, tapTo } from "../../base/hop/hop.ts";
import { HopRing } from "../../base/hop/ring.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { hasCode, KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { Fleet } from "../../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { isJournal, recordsOf } from "../../protocol/apis/reliablesyncs.ts";
import { capabilities } from "../../scenarios/model/capabilities.ts";
import { judgeInvariants } from "../../scenarios/engine/invariants.ts";
import { holdBlock } from "../../scenarios/targets/ports.ts";
import { CloudProcess } from "../../scenarios/targets/cloud-process.ts";
import type { Environment } from "../../scenarios/model/environment.ts";
import { slowTcp } from "../support/slow-tcp.ts";
import { until } from "../support/until.ts";
import { startApi } from "../support/start.ts";

/** More of them, and other seeds, in the long run. */
const KILLS = Number(process.env.SKEP_KILLS ?? 8);
const SEED = Number(process.env.SKEP_SEED ?? 20_261);
const EDGES = 4;
/** What an acknowledgement needs from an edge to the cloud, and a call from there to the API, in each direction. */
const LATENCY_MS = 8;

const cleanups: AsyncDisposableStack[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup.disposeAsync();
});

/**
 * An API here, a cloudcore in a process of its own to which a call takes `away` milliseconds in each direction, edges here whose
 * acknowledgements take `latency` milliseconds.
 */
async function start(latency: number, away = LATENCY_MS) {
  const cleanup = new AsyncDisposableStack();
  cleanups.push(cleanup);
  const { api, clock } = await startApi();
  cleanup.use(api);
  const dir = await mkdtemp(join(tmpdir(), "skep-kill-"));
  cleanup.defer(() => rm(dir, { recursive: true, force: true }));
  const messages = join(dir, "hops.jsonl");
  const flags = ["--messages", messages];
  const far = await slowTcp(api.port, away);
  cleanup.use(far);
  const access = { ...api.access, url: `https://127.0.0.1:${far.port}` };
  const port = await holdBlock("127.0.0.1", cleanup);
  const core = await CloudProcess.start({ access, bind: "127.0.0.1", timeScale: 10, flags, port });
  cleanup.use(core);
  const kube = new KubeClient(tokenKubeConfig(api.access));
  cleanup.defer(() => kube.close());
  const hops = new HopRing(256 * 1024 * 1024);
  const heard: ((record: HopRecord) => void)[] = [];
  const random = new Random(SEED);
  const fleet = new Fleet({
    cohorts: [{ cohort: "gw", count: EDGES, link: { latency } }],
    hub: await core.address(kube),
    timings: { ...scaledTimings(edgecoreTimings, 10), reconnectWait: 100, dialRetry: 50 },
    clock,
    random,
    logger: silentLogger,
    tap: tapTo((record) => {
      hops.push(record);
      for (const listener of heard) listener(record);
    }),
  });
  cleanup.defer(() => fleet.stop());
  await fleet.start();
  await until("all edges are Ready", () => fleet.edges().every((edge) => edge.isReady), 20_000);
  return { clock, core, fleet, heard, hops, kube, messages, random };
}

type Started = Awaited<ReturnType<typeof start>>;

/** What was on its way when a cloudcore was killed, by its own hop records. */
async function underway(file: string, from: number) {
  // Where it was read last a line may have been half written, and so may be one of a cloudcore that was killed.
  const lines = (await readFile(file, "utf8")).slice(from).split("\n");
  const records = lines.flatMap((line): HopRecord[] => {
    try {
      return [JSON.parse(line) as HopRecord];
    } catch {
      return [];
    }
  });
  const ids = (hop: string) => new Set(records.filter((record) => record.hop === hop).map(({ id }) => id));
  const [written, acked, recorded] = [ids("hub.write"), ids("hub.ack"), ids("hub.record")];
  // What needs no acknowledgement never waits in a lane.
  const needs = ids("hub.enqueue");
  return {
    sent: [...written].filter((id) => needs.has(id) && !acked.has(id)).length,
    acked: [...acked].filter((id) => !recorded.has(id)).length,
  };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Creates, changes and deletes pods, configmaps and devices, one act after another, until told to end. */
async function churn({ kube, random }: Started, signal: AbortSignal): Promise<number> {
  const at = random.stream("churn");
  let acts = 0;
  const node = () => `gw-${Math.floor(at.next() * EDGES)}`;
  const act = async (resource: Resource, name: string, make: () => Record<string, unknown>) => {
    const ref = { resource, namespace: "default", name };
    const found = await kube.find(ref);
    const patch = { metadata: { labels: { n: String(acts) } } };
    if (found === undefined) {
      const { apiVersion, kind } = resource;
      await kube.create(resource, { apiVersion, kind, metadata: { name, namespace: "default" }, ...make() });
    } else if (at.next() < 0.3) await kube.delete(ref);
    else if (resource === resources.configmaps) await kube.patch(ref, "merge", { data: { n: String(acts) } });
    else await kube.patch(ref, "merge", patch);
  };
  await kube.create(resources.devicemodels, {
    apiVersion: resources.devicemodels.apiVersion,
    kind: "DeviceModel",
    metadata: { name: "thermometer", namespace: "default" },
    spec: { protocol: "modbus", properties: [{ name: "temperature", type: "FLOAT", accessMode: "ReadWrite" }] },
  });
  while (!signal.aborted) {
    acts++;
    const i = Math.floor(at.next() * 8);
    try {
      const kind = at.next();
      if (kind < 0.4) {
        await act(resources.pods, `p-${i}`, () => ({
          spec: {
            nodeName: node(),
            containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: `c-${i}`, optional: true } }] }],
          },
        }));
      } else if (kind < 0.8) await act(resources.configmaps, `c-${i}`, () => ({ data: { n: "0" } }));
      else {
        await act(resources.devices, `d-${i}`, () => ({
          spec: { nodeName: node(), deviceModelRef: { name: "thermometer" }, protocol: { protocolName: "modbus" } },
        }));
      }
    } catch (error) {
      // The edges delete and patch pods at the same time.
      if (!hasCode(error, 404) && !hasCode(error, 409)) throw error;
    }
    await sleep(at.next() * 6);
  }
  return acts;
}

/** Kills that must have come between two steps, for each of the two pairs. */
const HITS = 5;

describe("SIGKILL", () => {
  test(
    `${KILLS} times, between send, acknowledgement and record: nothing is lost, every edge holds what the API says`,
    { timeout: 60_000 + 3 * KILLS * 6000 },
    async () => {
      const environment = await start(LATENCY_MS);
      const { clock, core, fleet, hops, kube, messages, random } = environment;
      const moments = random.stream("kills");
      const stop = new AbortController();
      const churned = churn(environment, stop.signal);
      const tally = { betweenSendAndAck: 0, betweenAckAndRecord: 0 };
      // On a busy machine fewer kills hit the moments in question: then there are more of them.
      const isEnough = () => Math.min(tally.betweenSendAndAck, tally.betweenAckAndRecord) >= HITS;
      let kills = 0;
      for (; kills < KILLS || !isEnough() && kills < 3 * KILLS; kills++) {
        await until("an edge is back", () => fleet.edges().some((edge) => edge.hub.isConnected), 20_000);
        await sleep(60 + moments.next() * 400);
        const before = (await readFile(messages, "utf8").catch(() => "")).length;
        await sleep(40);
        await core.stop(true);
        const { sent, acked } = await underway(messages, before);
        if (sent > 0) tally.betweenSendAndAck++;
        if (acked > 0) tally.betweenAckAndRecord++;
        await sleep(moments.next() * 100);
        await core.start();
      }
      stop.abort();
      const acts = await churned;
      console.log(`kills: ${JSON.stringify(tally)} of ${kills}, during ${acts} acts`);
      expect(tally.betweenSendAndAck).toBeGreaterThanOrEqual(HITS);
      expect(tally.betweenAckAndRecord).toBeGreaterThanOrEqual(HITS);
      await until("all edges are back", () => fleet.edges().every((edge) => edge.hub.isConnected), 20_000);
      const judged: Partial<Environment> = {
        kube,
        fleet,
        hops,
        clock,
        patience: 2,
        owners: () => undefined,
        metrics: () => Promise.resolve({}),
        capabilities: new Set(capabilities),
      };
      const results = await judgeInvariants(judged as Environment, new AbortController().signal);
      expect(results.filter(({ verdict }) => verdict === "broken")).toEqual([]);
      expect(results.slice(0, 3).map(({ verdict }) => verdict)).toEqual(["held", "held", "held"]);
    },
  );

  test("after the edge has stored, before the record is complete; the object is deleted meanwhile: the edge loses it", {
    timeout: 60_000,
  }, async () => {
    const { core, fleet, heard, kube } = await start(500);
    const edge = fleet.get("gw-0");
    const stored = new Promise<void>((resolve) =>
      heard.push(({ hop, resource, node }) =>
        hop === "edge.store" && resource === "default/pod/doomed" && node === "gw-0" && resolve()
      )
    );
    const pod = await kube.create(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "doomed", namespace: "default" },
      spec: { nodeName: "gw-0", containers: [{ name: "c", image: "i" }] },
    });
    await stored;
    await core.stop(true);
    const name = `gw-0.${pod.metadata.uid}`;
    const record = await kube.get({ resource: resources.objectsyncs, namespace: "default", name });
    expect(textAt(record, "status", "objectResourceVersion") || "0").toBe("0");
    expect(edge?.store.get("default/pod/doomed")).toBeDefined();
    await kube.delete({ resource: resources.pods, namespace: "default", name: "doomed" }, { gracePeriodSeconds: 0 });
    await core.start();
    await until("the edge has lost the pod", () => edge?.store.get("default/pod/doomed") === undefined, 20_000);
    await until("the record is gone", async () => {
      return await kube.find({ resource: resources.objectsyncs, namespace: "default", name }) === undefined;
    }, 20_000);
  });

  test(
    "while most records stand in the journal alone; the objects are deleted meanwhile: the edge loses them, and no record is left",
    {
      timeout: 90_000,
    },
    async () => {
      const { core, fleet, kube } = await start(LATENCY_MS, 80);
      const edge = fleet.get("gw-0");
      const names = Array.from({ length: 80 }, (_, i) => `doomed-${i}`);
      const held = () => names.filter((name) => edge?.store.get(`default/pod/${name}`) !== undefined).length;
      await Promise.all(names.map((name) =>
        kube.create(resources.pods, {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name, namespace: "default" },
          spec: { nodeName: "gw-0", containers: [{ name: "c", image: "i" }] },
        })
      ));
      await until("the edge has stored all pods", () => held() === names.length, 20_000);
      await core.stop(true);
      const ofPod = (record: KubeObject) => textAt(record, "spec", "objectKind") === "Pod";
      const records = async () =>
        (await kube.list(resources.objectsyncs, { namespace: "default" })).items.filter(ofPod).length;
      const journals = async () => (await kube.list(resources.clusterobjectsyncs)).items.filter(isJournal);
      const standing = (await journals()).flatMap(recordsOf).filter(ofPod).length;
      expect(await records()).toBeLessThan(names.length);
      expect(standing + await records()).toBeGreaterThanOrEqual(names.length);
      for (const name of names) {
        await kube.delete({ resource: resources.pods, namespace: "default", name }, { gracePeriodSeconds: 0 });
      }
      await core.start();
      await until(`the edge has lost all pods; ${held()} are left`, () => held() === 0, 30_000);
      await until("all records are gone", async () => await records() === 0, 20_000);
      await until("the journal is gone", async () => (await journals()).length === 0, 20_000);
    },
  );
});
