// Two cloudcores on one API, and an edge that moves from one to the other: what it says where it was does no harm.
import { expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import { defaultConfig, scaled } from "../../cloud/config/config.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { addPod, connectedNode, processed } from "../support/nodes.ts";
import { ackOf } from "../support/raw-edge.ts";
import { anyPort, startCloud } from "../support/start.ts";
import { isRecorded, recordRef } from "../support/sync-records.ts";
import { until } from "../support/until.ts";

test("an acknowledgement that an edge sends over its old connection, after it has moved, costs no more than another copy", async () => {
  const one = await startCloud();
  onTestFinished(() => one.stop());
  const core = await CloudCore.start({
    kubeconfig: tokenKubeConfig(one.api.access),
    config: { ...scaled(defaultConfig, 10), authorization: "off" },
    websocket: anyPort,
    https: anyPort,
    clock: one.clock,
    random: new Random(2),
    logger: silentLogger,
  });
  onTestFinished(() => core.stop());
  const other = { ...one, core };
  const isPod = ({ route }: { readonly route: { readonly resource?: string } }) => route.resource === "default/pod/p";

  const before = await connectedNode(one, "mover");
  const pod = await addPod(one.kube, "mover", "p");
  const first = await before.expect("the pod", isPod);
  const moved = await connectedNode(other, "mover");
  moved.acknowledgeAll();
  await moved.expect("the pod, where it is now", isPod);
  const ref = { resource: resources.pods, namespace: "default", name: "p" };
  const changed = await one.kube.patch(ref, "merge", { metadata: { labels: { new: "yes" } } });
  const version = changed.metadata.resourceVersion as string;
  const recorded = async () => textAt(await one.kube.find(recordRef("mover", pod)), "status", "objectResourceVersion");
  await until("the new version is recorded", async () => await recorded() === version);
  await until("the first cloudcore knows it, too", () => one.core.hub.acknowledged("mover", pod) === version);

  before.send(ackOf(first));
  await processed(before);
  const acked = [...one.hops.since(0)].some(({ hop, id }) => hop === "hub.ack" && id === first.header.msg_id);
  expect(acked, "it still waited for that acknowledgement").toBe(true);
  // It may have been recorded; then the edge is sent what it has, and says so.
  const later = await addPod(one.kube, "mover", "later");
  await until("what comes later is recorded", async () => await isRecorded(one.kube, "mover", later));
  await until("the record says what the edge has", async () => await recorded() === version);
  const versions = moved.received.filter(isPod).map(({ content }) => textAt(content, "metadata", "resourceVersion"));
  expect(versions.slice(0, 2)).toEqual([pod.metadata.resourceVersion, version]);
  expect(new Set(versions.slice(1))).toEqual(new Set([version]));
  before.close();
  moved.close();
});
