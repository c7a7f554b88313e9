// The captured run of the programs of 2019 (KubeEdge v1.1): its edge side, played against our cloudcore.
import { expect, onTestFinished, test } from "vitest";
import { strictGoNames } from "../../cloud/config/config.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { profileKey } from "../../protocol/apis/device-v1alpha1.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { type Line, linesOf } from "../support/captured.ts";
import { applied, EdgePlay } from "../support/edge-play.ts";
import { device, model } from "../support/captured-v1.1-objects.ts";
import { until } from "../support/until.ts";
import { makeNodeOfV11, rawEdgeOfV11, setReady, startCloudOfBothEras } from "../support/v11.ts";
import type { Cloud } from "../support/start.ts";

const lines = linesOf("captured-v1.1.jsonl");
/**
 * A list of pods is told again where one of them goes without a change of the endpoints, as here, where nobody looks after these.
 * Versions, and what an API server of today knows of services that a client of 2019 does not.
 */
const passedOver =
  /\.expected_version\.cloud$|spec\.(clusterIPs|ipFamilies|ipFamilyPolicy|internalTrafficPolicy|ports\.\d+\.targetPort)$/;

function sent(step: string, resource: string): KubeObject {
  const line = lines.find((l) =>
    l.step.startsWith(`${step} `) && l.dir === "cloud>edge" && l.message?.route.resource === resource
  );
  return line?.message?.content as KubeObject;
}

/** As somebody would apply it, with the kind that the wire leaves out. */
const whole = (resource: Resource, object: KubeObject): KubeObject =>
  applied({ ...object, apiVersion: resource.apiVersion, kind: resource.kind });

function hands({ kube }: Cloud) {
  const ref = (resource: Resource, name: string) => ({ resource, namespace: "default", name });
  return {
    create: (resource: Resource, object: KubeObject) => kube.create(resource, whole(resource, object)),
    merge: (resource: Resource, name: string, patch: unknown) => kube.patch(ref(resource, name), "merge", patch),
    remove: (resource: Resource, name: string, grace?: number) =>
      kube.delete(ref(resource, name), grace === undefined ? {} : { gracePeriodSeconds: grace }),
  };
}
const last = ({ metadata }: KubeObject) => ({ annotations: metadata.annotations, labels: metadata.labels ?? null });
const desire = (enable: string | undefined, temperature: string) => ({
  status: {
    twins: [
      { propertyName: "temperature", desired: { value: temperature, metadata: { type: "int" } } },
      ...(enable === undefined
        ? []
        : [{ propertyName: "enable", desired: { value: enable, metadata: { type: "string" } } }]),
    ],
  },
});

/**
 * Go's cloud echoes each report to its edge (notes 3, §3.4), because the API server notes in managedFields when it was
 * written. In whole seconds: reports that follow each other at once are not told apart.
 */
const echoes = new Set([51, 54, 62, 70]);

test("an edge of v1.1 is sent by our cloud what Go's cloud of 2019 sent it, and nothing else", async () => {
  const cloud = await startCloudOfBothEras({ strictGo: new Set(strictGoNames) });
  onTestFinished(() => cloud.stop());
  const { create, merge, remove } = hands(cloud);
  const node = "edge-1";
  const connect = () => rawEdgeOfV11(cloud, node);
  const play = new EdgePlay(cloud, {
    lines,
    connect,
    optional: echoes,
    alsoSaid: /podlist/,
    passedOver,
    hasRecords: false,
  });

  const cm1 = sent("S3", "default/configmap/cm-1");
  await makeNodeOfV11(cloud, node);
  await play.step("S1");
  await play.step("S1b", () => setReady(cloud, node, "True"));
  await play.step("S2", async () => {
    await create(resources.configmaps, { ...cm1, data: { key: "v1" } });
    await create(resources.pods, sent("S2", "default/pod/pod-1"));
  });
  await play.step("S3", () => merge(resources.configmaps, "cm-1", { metadata: last(cm1), data: cm1.data }));
  const sec1 = sent("S3b", "default/secret/sec-1");
  await play.step("S3b", async () => {
    await create(resources.secrets, { ...sec1, data: {} });
    await create(resources.pods, sent("S3b", "default/pod/pod-2"));
    await merge(resources.secrets, "sec-1", { data: sec1.data });
  });
  await play.step("S4", () => merge(resources.pods, "pod-1", { metadata: last(sent("S4", "default/pod/pod-1")) }));
  await play.step("S5", async () => {
    await create(resources.services, sent("S5", "default/service/web"));
    await create(resources.endpoints, sent("S5", "default/endpoints/web"));
  });
  await play.step("S6", async () => {
    await setReady(cloud, node, "False");
    await until("the cloud sees it", () => notReady(cloud, node));
    await setReady(cloud, node, "True");
  });
  await play.step("S7", async () => {
    await create(resources.devicemodelsV1alpha1, model);
    // Its status is what people write: there is no subresource.
    const { apiVersion, kind } = resources.devicesV1alpha1;
    await cloud.kube.create(resources.devicesV1alpha1, { ...device(node), apiVersion, kind });
  });
  const profile = lines.find(({ kind, output, step }) =>
    kind === "note" && output !== undefined && step.startsWith("S7 ")
  );
  const captured = JSON.parse(profile?.output ?? "{}") as Record<string, string>;
  const ours = await until(
    "the profile is there",
    () =>
      cloud.kube.find({ resource: resources.configmaps, namespace: "default", name: `device-profile-config-${node}` }),
  );
  expect(JSON.parse((ours.data as Record<string, string>)[profileKey] ?? "")).toEqual(
    JSON.parse(captured[profileKey] ?? ""),
  );
  await play.step("S8", () => merge(resources.devicesV1alpha1, "sensor-1", desire("OFF", "25")));
  await play.step("S9");
  const stored = await until("the report is stored", async () => {
    const found = await cloud.kube.get({ resource: resources.devicesV1alpha1, namespace: "default", name: "sensor-1" });
    return JSON.stringify(found.status).includes(`"value":"25","metadata":{"timestamp"`) ? found : undefined;
  });
  expect(stored.status).toEqual({
    twins: [
      {
        propertyName: "temperature",
        desired: { value: "25", metadata: { type: "int" } },
        reported: { value: "25", metadata: { timestamp: "1795415561079", type: "int" } },
      },
      { propertyName: "enable", desired: { value: "OFF", metadata: { type: "string" } } },
    ],
  });
  await play.step("S10", () => merge(resources.devicesV1alpha1, "sensor-1", desire("OFF", "30")));
  await play.step("S11");
  await play.step("S12", () => merge(resources.devicesV1alpha1, "sensor-1", desire(undefined, "30")));
  play.cut();
  await until("the hub notices", () => cloud.core.hub.sessions.size === 0);
  await merge(resources.configmaps, "cm-1", { data: { key: "v3" } });
  await play.step("S13");
  await play.step("S14", async () => {
    await remove(resources.devicesV1alpha1, "sensor-1");
    await remove(resources.pods, "pod-1", 0);
  });
  await until(
    "the profile is gone",
    async () =>
      await cloud.kube.find({
        resource: resources.configmaps,
        namespace: "default",
        name: `device-profile-config-${node}`,
      }) ===
        undefined,
  );
  expect(play.findings).toEqual([]);
}, 120_000);

async function notReady({ core }: Cloud, node: string): Promise<boolean> {
  const found = await core.client.get({ resource: resources.nodes, name: node });
  return JSON.stringify(found.status).includes(`"status":"False"`);
}

/** The script gave no real uid for its pod, as every edge does; ours does not take a status for another pod's. */
function withRealUid(line: Line): Line {
  const { message, seq } = line;
  if (seq !== 131 || message === undefined) return line;
  const { uid } = sent("T2", "default/pod/t2-p").metadata;
  return { ...line, message: { ...message, content: { ...message.content as object, UID: uid } } };
}

test("what it asks is answered, or not, as by Go's cloud of 2019", async () => {
  const cloud = await startCloudOfBothEras({ strictGo: new Set(strictGoNames) });
  onTestFinished(() => cloud.stop());
  const { create } = hands(cloud);
  const node = "n-t2";
  await makeNodeOfV11(cloud, node);
  await setReady(cloud, node, "True");
  await create(resources.configmaps, sent("T2", "default/configmap/t2-cm"));
  const play = new EdgePlay(cloud, {
    // Up to where it closes; what comes then is a connection without certificate, which ours refuses.
    lines: lines.filter(({ seq, step }) => step.startsWith("T2 ") && seq < 142).map(withRealUid),
    connect: () => rawEdgeOfV11(cloud, node),
    optional: new Set([132]),
    // The Node of the run was applied with other labels and annotations, and a kubelet's taint.
    passedOver: /^(spec|metadata\.(annotations|labels).*|status.*)$/,
    hasRecords: false,
  });
  await play.step("T2", () => Promise.resolve(), {
    129: () => create(resources.pods, sent("T2", "default/pod/t2-p")),
  });
  const pod = await cloud.kube.get({ resource: resources.pods, namespace: "default", name: "t2-p" });
  expect(pod.status).toMatchObject({ phase: "Running" });
  expect(play.findings).toEqual([]);
}, 60_000);
