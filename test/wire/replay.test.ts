// Recordings played again over real sockets: their edges against our cloudcore, their cloudcore to our edge; the captured ones, too.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { HopRecord } from "../../base/hop/hop.ts";
import { tapTo } from "../../base/hop/hop.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { Fleet } from "../../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { diffRecordings } from "../../scenarios/recording/diff.ts";
import { readRecording } from "../../scenarios/recording/format.ts";
import { replayToCloud } from "../../scenarios/recording/replay-cloud.ts";
import { replayToEdges } from "../../scenarios/recording/replay-edge.ts";
import { scriptsOf } from "../../scenarios/recording/script.ts";
import { addPod } from "../support/nodes.ts";
import { anyPort, startCloud } from "../support/start.ts";
import { until } from "../support/until.ts";

const captured = fileURLToPath(new URL("captured-v1.23.jsonl", import.meta.url));
const timings = scaledTimings(edgecoreTimings, 10);

test("the edge of a capture registers at our cloudcore, is answered, and acknowledges what it is sent", async () => {
  const scripts = scriptsOf((await readRecording(captured)).hops);
  const cloud = await startCloud();
  try {
    const counts = await replayToCloud(scripts, {
      hub: cloud.address(),
      timings,
      clock: cloud.clock,
      random: new Random(1),
      logger: silentLogger,
      speed: 100,
      signal: AbortSignal.timeout(30_000),
      onHop: () => {},
    });
    const spoken = scripts.reduce((sum, { up }) => sum + up.length, 0);
    expect(counts).toMatchObject({ edges: 1, sent: spoken });
    expect(spoken).toBeGreaterThan(40);
    expect(counts.received).toBeGreaterThan(30);
    expect(counts.acknowledged).toBeGreaterThan(0);
    // It has registered as the captured one did.
    const node = await cloud.kube.find({ resource: resources.nodes, name: "edge-1" });
    expect(node?.metadata.labels).toMatchObject({ "node-role.kubernetes.io/edge": "" });
  } finally {
    await cloud.stop();
  }
});

test("the cloudcore of a recording gives an edge of ours the same objects, which says the same", async () => {
  const cloud = await startCloud();
  let hops: HopRecord[];
  try {
    await cloud.fleet(1, "gw");
    const data = { level: "info" };
    await cloud.kube.create(resources.configmaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "app", namespace: "default" },
      data,
    });
    await addPod(cloud.kube, "gw-0", "web");
    await until(
      "the pod is recorded",
      () => [...cloud.hops.since(0)].some(({ hop, resource }) => hop === "hub.ack" && resource === "default/pod/web"),
    );
    await until(
      "the pod's status came",
      () =>
        [...cloud.hops.since(0)].some(({ hop, resource }) => hop === "hub.read" && resource === "default/podpatch/web"),
    );
    hops = [...cloud.hops.since(0)];
  } finally {
    await cloud.stop();
  }
  const clock = new TimerWheel();
  const again: HopRecord[] = [];
  await using replay = await replayToEdges(scriptsOf(hops), {
    websocket: anyPort,
    https: anyPort,
    hosts: ["127.0.0.1"],
    clock,
    logger: silentLogger,
    speed: 5,
    tap: tapTo((hop) => again.push(hop)),
  });
  await using fleet = new Fleet({
    cohorts: [{ cohort: "gw", count: 1 }],
    hub: { host: "127.0.0.1", websocketPort: replay.websocketPort, httpsPort: replay.httpsPort, token: replay.token },
    timings,
    clock,
    random: new Random(3),
    logger: silentLogger,
  });
  await fleet.start();
  const edge = fleet.get("gw-0");
  await until("the edge has the pod", () => edge?.store.get("default/pod/web"));
  await until("the edge is ready", () => edge?.isReady);
  await until(
    "it has acknowledged it",
    () =>
      again.some(({ hop, operation, resource }) =>
        hop === "hub.read" && operation === "response" && resource === "default/pod/web"
      ),
  );
  const missing = () =>
    diffRecordings(hops, again).differences.filter(({ direction, kind, message }) =>
      kind === "missing" && direction === "down" && !message.includes("response")
    );
  // The last of it may be an update of the pod that followed its status.
  await until("everything that the cloud sent then is sent again", () => missing().length === 0);
  expect(missing()).toEqual([]);
});

test("the cloudcore of a capture serves an edge of another name in the place of its only one, and no edge where there are several", async () => {
  const { hops } = await readRecording(captured);
  const clock = new TimerWheel();
  await using replay = await replayToEdges(scriptsOf(hops), {
    websocket: anyPort,
    https: anyPort,
    hosts: ["127.0.0.1"],
    clock,
    logger: silentLogger,
    speed: 200,
    tap: tapTo(() => {}),
  });
  await using fleet = new Fleet({
    cohorts: [{ cohort: "other", count: 1 }],
    hub: { host: "127.0.0.1", websocketPort: replay.websocketPort, httpsPort: replay.httpsPort, token: replay.token },
    timings,
    clock,
    random: new Random(3),
    logger: silentLogger,
  });
  await fleet.start();
  await until(
    "the captured configmap is there",
    () => fleet.get("other-0")?.store.get("default/configmap/cm-1"),
    20_000,
  );
  expect(await replay.played).toBe("other-0");
  expect(scriptsOf(hops, ["nobody"])).toEqual([]);
});
