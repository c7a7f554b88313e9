// The captured run's edge side, played message by message against our cloudcore: does our cloud send what Go's sent?
import { describe, expect, onTestFinished, test } from "vitest";
import { strictGoNames } from "../../cloud/config/config.ts";
import { hasCode } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { linesOf } from "../support/captured.ts";
import { applied, EdgePlay } from "../support/edge-play.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { until } from "../support/until.ts";
import { startCloud } from "../support/start.ts";

const node = "edge-1";
const lines = linesOf("captured-v1.23.jsonl");

/** The content of the first captured message to the edge about that resource in a step. */
function sent(step: string, resource: string): KubeObject {
  const line = lines.find((l) =>
    l.step.startsWith(step) && l.dir === "cloud>edge" && l.message?.route.resource === resource
  );
  return line?.message?.content as KubeObject;
}

describe("the edge side of the captured run, against our cloudcore", () => {
  test("every message of Go's cloud has its equal in ours, and there is no other", async () => {
    const strictGo = new Set(strictGoNames);
    // Slower than anything an edge does, as Go's five seconds are.
    const cloud = await startCloud({
      // As in the capture: nobody looks after nodes or collects garbage.
      api: { controllers: false },
      config: { keepaliveInterval: 60_000, ackRetry: 60_000, syncInterval: 1000, strictGo },
    });
    onTestFinished(() => cloud.stop());
    const { kube } = cloud;
    const create = async (object: KubeObject) => {
      const { kind } = object;
      const resource = await kube.resourceOf({ apiVersion: object.apiVersion ?? "v1", kind: kind ?? "" });
      await kube.create(resource, applied(object)).catch((error) => {
        if (!hasCode(error, 409)) throw error;
      });
    };
    const merge = async (object: KubeObject, part: (object: KubeObject) => unknown) => {
      const resource = await kube.resourceOf({ apiVersion: object.apiVersion ?? "v1", kind: object.kind ?? "" });
      await kube.patch({ resource, namespace: "default", name: object.metadata.name }, "merge", part(object));
    };
    const annotations = ({ metadata }: KubeObject) => ({
      annotations: metadata.annotations,
      labels: metadata.labels ?? null,
    });
    const data = (object: KubeObject) => ({ metadata: annotations(object), data: object.data });
    const spec = (object: KubeObject) => ({ metadata: annotations(object), spec: object.spec });
    const play = new EdgePlay(cloud, { lines, connect: () => rawEdge(cloud, node), hasRecords: true });
    await play.step("01", () => Promise.resolve());
    const cm1 = sent("03", "default/configmap/cm-1");
    await play.step("02", async () => {
      await create(cm1);
      await create(sent("03", "default/secret/sec-1"));
      await create(sent("03", "default/configmap/kube-root-ca.crt"));
    });
    await play.step("03", () => create(sent("03", "default/pod/pod-1")));
    await play.step("04", () => merge(sent("04", "default/configmap/cm-1"), data));
    await play.step("05", () => merge(sent("05", "default/secret/sec-1"), data));
    await play.step("06", () => merge(sent("06", "default/pod/pod-1"), (pod) => ({ metadata: annotations(pod) })));
    await play.step("07", async () => {
      await create(sent("07", "default/configmap/cm-big"));
      await create(sent("07", "default/pod/pod-2"));
    });
    await play.step(
      "08",
      () => kube.delete({ resource: resources.pods, namespace: "default", name: "pod-2" }).then(() => {}),
    );
    await play.step(
      "09",
      () => kube.delete({ resource: resources.configmaps, namespace: "default", name: "cm-big" }).then(() => {}),
    );
    await play.step("10", async () => {
      await create(sent("10", "default/devicemodel/thermometer"));
      await create(sent("10", "default/device/sensor-1"));
    });
    await play.step("11", () => merge(sent("11", "default/device/sensor-1"), spec));
    for (const step of ["12", "13", "14", "15", "16"]) await play.step(step, () => Promise.resolve());
    await play.step("17", async () => {
      play.cut();
      await until("the hub notices", () => cloud.core.hub.sessions.size === 0);
      await merge(sent("17", "default/configmap/cm-1"), data);
    });
    await play.step("18", () => Promise.resolve());
    await until("the hub notices", () => cloud.core.hub.sessions.size === 0);
    await merge(sent("19", "default/configmap/cm-1"), data);
    await merge(sent("19", "default/pod/pod-1"), (pod) => ({ metadata: annotations(pod) }));
    await merge(sent("19", "default/device/sensor-1"), spec);
    await play.step("19", () => Promise.resolve());
    await play.step("20", async () => {
      await kube.delete({ resource: resources.devices, namespace: "default", name: "sensor-1" });
      await kube.delete({ resource: resources.devicemodels, namespace: "default", name: "thermometer" });
    });
    await play.step(
      "21",
      () =>
        kube.delete({ resource: resources.pods, namespace: "default", name: "pod-1" }, { gracePeriodSeconds: 0 }).then(
          () => {},
        ),
    );
    await play.step("22", () => kube.delete({ resource: resources.nodes, name: node }).then(() => {}));
    expect(play.findings).toEqual([]);
  }, 120_000);
});
