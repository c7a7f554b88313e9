// The sample messages of both controllers, put on a real socket: is their effect what KubeEdge's would be?
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ManualClock } from "../../base/time/manual-clock.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { resources } from "../../cloud/kube/resource.ts";
import "reflect-metadata";
import { PemConverter } from "@peculiar/x509";
import { createNodeRequest } from "../../protocol/pki/request.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { headOf } from "../support/captured.ts";
import { edgeOfFakeCloud } from "../support/fake-cloud.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { sampleSet } from "../support/samples.ts";
import { addNode, addPod } from "../support/nodes.ts";
import { startStillCloud } from "../support/still-cloud.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

const { did, expectPage, sample } = sampleSet("sample-messages.json");

const node = "edge-1";
let cloud: Cloud;
let edge: RawEdge;
beforeAll(async () => {
  cloud = await startCloud({ config: { keepaliveInterval: 60_000 }, api: { controllers: false } });
  edge = await rawEdge(cloud, node);
  edge.acknowledgeAll();
});
afterAll(() => cloud.stop());

/** The uid of this run's object stands where the sample's stood. */
const translated = (message: Message, uids: Readonly<Record<string, string>> = {}): Message =>
  JSON.parse(Object.entries(uids).reduce((text, [old, mine]) => text.replaceAll(old, mine), JSON.stringify(message)));

/** An answer in short: OK, an error with its code, or which object in which wrapping. */
function outcomeOf(content: unknown): unknown {
  const { Object: object, Err: error, ErrStatus: bare, kind, metadata } = (content ?? {}) as Record<string, never> & {
    readonly Err?: { readonly ErrStatus?: { readonly code: number } };
    readonly metadata?: { readonly name: string };
  };
  if (typeof content === "string") return content;
  const status = (error as { ErrStatus?: unknown } | null | undefined)?.ErrStatus ?? bare;
  if (status !== undefined) return { isBare: bare !== undefined, status };
  if (object !== undefined) return { wrapped: (object as KubeObject).metadata.name };
  return { kind, name: metadata?.name };
}

const pod = () => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "nginx", namespace: "default" },
  spec: { nodeName: node, containers: [{ name: "nginx", image: "nginx:1" }] },
});
const podUid = "5d1f0e9c-0000-4000-8000-000000000001";
const makePod = async () => {
  await cloud.kube.delete({ resource: resources.pods, namespace: "default", name: "nginx" }, { gracePeriodSeconds: 0 })
    .catch(() => {});
  return { [podUid]: (await cloud.kube.create(resources.pods, pod())).metadata.uid as string };
};
const makeNode = async () => {
  const { metadata } = sample("up-node-create").content as KubeObject;
  await cloud.kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata }).catch(() => {});
};
const remove = (resource: typeof resources.nodes, name: string, namespace?: string) =>
  cloud.kube.delete({ resource, name, ...(namespace === undefined ? {} : { namespace }) }).catch(() => {});
const lease = { resource: resources.leases, namespace: "kube-node-lease", name: node };
const makeLease = async () => {
  await remove(resources.leases, node, "kube-node-lease");
  const { metadata } = await cloud.kube.create(resources.leases, {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: node, namespace: "kube-node-lease" },
  });
  return metadata;
};
const apply = async (resource: typeof resources.configmaps, kind: string, name: string) => {
  await cloud.kube.create(resource, { apiVersion: "v1", kind, metadata: { name, namespace: "default" } }).catch(
    () => {},
  );
};

const requestOf = async (name: string) => {
  const { csr } = await createNodeRequest(name);
  const pem = PemConverter.encode(csr.slice().buffer, PemConverter.CertificateRequestTag);
  return Buffer.from(pem).toString("base64");
};

/** What an object of each kind has at least. */
const accessModes = ["ReadWriteOnce"];
const specs: Readonly<Record<string, object>> = {
  PersistentVolume: { accessModes, capacity: { storage: "1Gi" }, hostPath: { path: "/data" } },
  PersistentVolumeClaim: { accessModes, resources: { requests: { storage: "1Gi" } } },
  VolumeAttachment: { attacher: "example.com/driver", source: { persistentVolumeName: "pv1" }, nodeName: node },
};

const make = async (apiVersion: string, kind: string, name: string) => {
  const resource = await cloud.kube.resourceOf({ apiVersion, kind });
  const metadata = { name, ...(resource.namespaced ? { namespace: "default" } : {}) };
  await cloud.kube.create(resource, { apiVersion, kind, metadata, spec: specs[kind] });
};

/** Each request whose answer is a sample too: what must be there before it. */
const requests: Readonly<Record<string, () => Promise<Record<string, string> | void>>> = {
  "up-node-create": () => remove(resources.nodes, node).then(() => {}),
  "up-node-create-exists": makeNode,
  "up-node-patch-ready": makeNode,
  "up-lease-query-missing": () => remove(resources.leases, node, "kube-node-lease").then(() => {}),
  "up-lease-create": () => remove(resources.leases, node, "kube-node-lease").then(() => {}),
  "up-lease-update": async () => {
    const sent = (sample("up-lease-update").content as KubeObject).metadata;
    const { resourceVersion, uid = "" } = await makeLease();
    return {
      [`"resourceVersion":"${sent.resourceVersion}"`]: `"resourceVersion":"${resourceVersion}"`,
      [sent.uid ?? ""]: uid,
    };
  },
  "up-pod-patch-running": makePod,
  "up-pod-patch-succeeded": makePod,
  "up-pod-patch-missing": async () => {},
  "up-pod-delete": makePod,
  "up-pod-delete-legacy-uid": makePod,
  "up-configmap-query": () => apply(resources.configmaps, "ConfigMap", "cm1"),
  "up-configmap-query-missing": async () => {},
  "up-secret-query": () => apply(resources.secrets, "Secret", "s1"),
  "up-token-query": makePod,
  "up-node-query": makeNode,
  "up-node-update": makeNode,
  "up-pv-query": () => make("v1", "PersistentVolume", "pv1"),
  "up-pvc-query": () => make("v1", "PersistentVolumeClaim", "c1"),
  "up-va-query": () => make("storage.k8s.io/v1", "VolumeAttachment", "csi-1"),
  "up-pod-create-mirror": async () => {},
  // The sample asks for nothing that is a request.
  "up-csr-create": async () => ({ LS0t: await requestOf(node) }),
  "up-podstatus-update": makePod,
  "up-nodestatus-update": makeNode,
  "up-nodestatus-insert": makeNode,
};

describe("a request is answered as KubeEdge answers it", () => {
  test.each(Object.keys(requests))("%s", async (name) => {
    const uids = await requests[name]?.() ?? {};
    const message = translated(sample(name), uids);
    edge.received.length = 0;
    edge.sendText(encodeMessage(message));
    const wanted = sample(`${name}-response`);
    const answer = await edge.expect("the answer", ({ header }) => header.parent_msg_id === message.header.msg_id);
    expect(headOf(answer)).toBe(headOf(wanted));
    expect(outcomeOf(answer.content)).toEqual(outcomeOf(translated(wanted, uids).content));
    did("sent to our hub; answered alike", name);
    did("what our hub answered", `${name}-response`);
  });

  test("and has its effect in the API", async () => {
    const uids = await makePod();
    const send = async (name: string) => {
      const message = translated(sample(name), uids);
      edge.sendText(encodeMessage(message));
      return await edge.expect(name, ({ header }) => header.parent_msg_id === message.header.msg_id);
    };
    const ref = { resource: resources.pods, namespace: "default", name: "nginx" };
    edge.received.length = 0;
    await send("up-pod-patch-running");
    expect((await cloud.kube.get(ref)).status).toMatchObject({ phase: "Running" });
    await send("up-pod-delete");
    expect(await cloud.kube.find(ref)).toBeUndefined();
    await makeLease();
    expect((await cloud.kube.get(lease)).metadata.name).toBe(node);
  });

  test("an event is made and patched, and never answered", async () => {
    const ref = { resource: resources.events, namespace: "default", name: "nginx.17a" };
    edge.received.length = 0;
    edge.sendText(encodeMessage(sample("up-event-insert")));
    await until("it is there", () => cloud.kube.find(ref));
    edge.sendText(encodeMessage(sample("up-event-patch")));
    await until("it is counted", async () => (await cloud.kube.get(ref)).count === 2);
    const ids = ["up-event-insert", "up-event-patch"].map((name) => sample(name).header.msg_id);
    expect(edge.received.filter(({ header }) => ids.includes(header.parent_msg_id ?? ""))).toEqual([]);
    did("sent to our hub; in the API, no answer", "up-event-insert", "up-event-patch");
  });

  test("the list form of podstatus is answered, pod by pod", async () => {
    await makePod();
    const message = sample("up-podstatus-list");
    edge.received.length = 0;
    edge.sendText(encodeMessage(message));
    const answer = await edge.expect("OK", ({ header }) => header.parent_msg_id === message.header.msg_id);
    expect(answer.content).toBe("OK");
    did("sent to our hub; answered with OK", "up-podstatus-list");
  });
});

describe("an acknowledgement is taken, an error is not", () => {
  test.each([["up-ack-pod-update", true], ["ack-update", true], ["ack-insert", true], ["ack-error", false]] as const)(
    "%s",
    async (name, counts) => {
      const { cloud: still, pass } = await startStillCloud();
      await addNode(still.kube, "silent");
      const silent = await rawEdge(still, "silent");
      await addPod(still.kube, silent.node, "acked");
      const sent = await silent.expect("the pod", ({ route }) => route.resource === "default/pod/acked");
      const answer = sample(name);
      silent.sendText(encodeMessage({ ...answer, header: { ...answer.header, parent_msg_id: sent.header.msg_id } }));
      const sends = () => silent.received.filter(({ header }) => header.msg_id === sent.header.msg_id).length;
      if (counts) {
        await pass(silent, 0);
        await pass(silent, 60_000);
        expect(sends()).toBe(1);
      } else while (sends() < 2) await pass(silent, 500);
      silent.close();
      did(
        counts ? "sent to our hub; the message is not sent again" : "sent to our hub; the message is sent again",
        name,
      );
    },
  );
});

describe("a device's report", () => {
  const device = () =>
    cloud.kube.create(resources.devices, {
      apiVersion: "devices.kubeedge.io/v1beta1",
      kind: "Device",
      metadata: { name: "thermo-1", namespace: "default" },
      spec: { nodeName: node, properties: [{ name: "temperature" }] },
    }).catch(() => {});
  const status = async () =>
    (await cloud.kube.get({ resource: resources.devicestatuses, namespace: "default", name: "thermo-1" })).status;
  const send = async (name: string) => {
    const message = sample(name);
    edge.received.length = 0;
    edge.sendText(encodeMessage(message));
    return await edge.expect(name, ({ header }) => header.parent_msg_id === message.header.msg_id);
  };

  test("is stored and confirmed; the first one is kept, which Go loses", async () => {
    await device();
    await edge.expect("the device", ({ route }) => route.resource === "default/device/thermo-1");
    const confirmed = await send("twin-report-first");
    expect(headOf(confirmed)).toBe(headOf(sample("twin-confirm")));
    expect(confirmed.content).toBe("OK");
    expect(await status()).toMatchObject({ twins: [{ propertyName: "temperature", reported: { value: "22" } }] });
    did("sent to our hub; stored (docs/deviations.md) and confirmed", "twin-report-first", "twin-report-first-patch");
    await send("twin-report");
    const { body } = sample("twin-report-patch") as unknown as { body: { status: object } };
    expect(await status()).toMatchObject(body.status);
    did("sent to our hub; stored as the sample's patch says, and confirmed", "twin-report", "twin-report-patch");
    await send("state-report-online");
    const online = sample("state-patch-online") as unknown as { body: { status: object } };
    expect(await status()).toMatchObject(online.body.status);
    await send("state-report-offline");
    expect(await status()).toMatchObject({ state: "offline", lastOnlineTime: "2026-08-06T12:00:02Z" });
    did("sent to our hub; stored and confirmed", "state-report-online", "state-report-offline", "state-patch-online");
    const made = await cloud.kube.get({ resource: resources.devicestatuses, namespace: "default", name: "thermo-1" });
    expect(made.metadata.ownerReferences).toMatchObject([{ kind: "Device", name: "thermo-1", controller: true }]);
    did("our DeviceStatus is owned alike", "devicestatus-create");
  });

  test("of an unknown device, and the question for memberships, get no answer", async () => {
    const silent = ["twin-report-unknown-device", "membership-detail-request"];
    edge.received.length = 0;
    for (const name of silent) edge.sendText(encodeMessage(sample(name)));
    const query = edge.send({ operation: "query", resource: `null/node/${node}`, content: null });
    await makeNode();
    await edge.expect("a later answer", ({ header }) => header.parent_msg_id === query.header.msg_id).catch(() => {});
    const ids = silent.map((name) => sample(name).header.msg_id);
    expect(edge.received.filter(({ header }) => ids.includes(header.parent_msg_id ?? ""))).toEqual([]);
    did("sent to our hub; no answer", ...silent);
  });
});

describe("what the cloud sends down reaches our edge", () => {
  const start = async () => {
    const received: Message[] = [];
    let socket: MessageSocket | undefined;
    const clock = new ManualClock(Date.now());
    const fake = await edgeOfFakeCloud(
      node,
      (accepted) => {
        socket = accepted;
        accepted.onMessage((text) => received.push(decodeMessage(text)));
      },
      { confirm: 200 },
      "v1.23",
      { clock },
    );
    onTestFinished(fake.stop);
    fake.edge.start();
    await until("the edge connects", () => socket);
    const send = (name: string, parent?: string) => {
      const message = sample(name);
      const header = parent === undefined ? message.header : { ...message.header, parent_msg_id: parent };
      socket?.send(encodeMessage({ ...message, header }));
    };
    const acknowledged = async (name: string) =>
      await until(
        `${name} is acknowledged`,
        () =>
          received.find(({ header, route }) =>
            header.parent_msg_id === sample(name).header.msg_id && route.operation === "response"
          ),
      );
    return { ...fake, clock, received, send, acknowledged };
  };

  test("pods, configmaps, secrets and its Node are stored and acknowledged; deletions by uid and by stub", async () => {
    const { edge: ours, send, acknowledged } = await start();
    const stored = [
      ["down-configmap-update", "default/configmap/cm1"],
      ["down-secret-added-is-update", "default/secret/s1"],
      ["down-node-update", `null/node/${node}`],
      ["down-pod-update-after-bind", "default/pod/nginx"],
      ["down-pod-insert", "default/pod/nginx"],
      ["down-pod-update-terminating", "default/pod/nginx"],
    ] as const;
    for (const [name, path] of stored) {
      send(name);
      expect((await acknowledged(name)).content).toBe("OK");
      expect(ours.store.get(path)).toEqual(sample(name).content);
      did("sent to our edge; stored and acknowledged", name);
    }
    send("down-pod-delete");
    await acknowledged("down-pod-delete");
    expect(ours.store.get("default/pod/nginx")).toBeUndefined();
    send("down-pod-insert");
    await until("it is back", () => ours.store.get("default/pod/nginx"));
    send("down-pod-delete-stub");
    await acknowledged("down-pod-delete-stub");
    expect(ours.store.get("default/pod/nginx")).toBeUndefined();
    did("sent to our edge; gone and acknowledged", "down-pod-delete", "down-pod-delete-stub");
  });

  test("memberships, models and devices come and go; what a mapper is not sent is stored all the same", async () => {
    const { edge: ours, clock, received, send, acknowledged } = await start();
    const id = "default/thermo-1";
    send("membership-add");
    await until("it has the device", () => ours.devices.all().includes(id));
    send("devicemodel-insert");
    const route = { source: "meta", group: "twin", operation: "response" };
    expect((await acknowledged("devicemodel-insert")).route).toMatchObject(route);
    send("device-insert");
    expect((await acknowledged("device-insert")).route).toMatchObject(route);
    send("device-update-desired");
    expect((await acknowledged("device-update-desired")).route).toMatchObject({ source: "devicecontroller" });
    expect(ours.store.get("default/device/thermo-1")).toEqual(sample("device-update-desired").content);
    send("synccontroller-device-update");
    await acknowledged("synccontroller-device-update");
    did(
      "sent to our edge; stored and acknowledged",
      "devicemodel-insert",
      "device-insert",
      "device-update-desired",
      "synccontroller-device-update",
    );
    ours.devices.report(id, "temperature", "23");
    const reports = () => received.filter(({ route: { resource } }) => resource?.endsWith("/twin/edge_updated"));
    await until("it is reported", () => reports()[0]);
    send("twin-confirm", reports()[0]?.header.msg_id);
    // What is acknowledged after it was sent after it, either way.
    send("down-configmap-update");
    await acknowledged("down-configmap-update");
    const count = reports().length;
    clock.advance(60_000);
    send("down-secret-added-is-update");
    await acknowledged("down-secret-added-is-update");
    expect(reports()).toHaveLength(count);
    did("sent to our edge; the report is not sent again", "twin-confirm");
    send("device-delete");
    await acknowledged("device-delete");
    send("devicemodel-delete");
    await acknowledged("devicemodel-delete");
    expect(ours.store.get("default/device/thermo-1")).toBeUndefined();
    did("sent to our edge; gone and acknowledged", "device-delete", "devicemodel-delete");
    send("membership-add");
    await until("it has the device again", () => ours.devices.all().includes(id));
    send("membership-remove");
    await until("it has lost the device", () => !ours.devices.all().includes(id));
    const ids = ["membership-add", "membership-remove"].map((name) => sample(name).header.msg_id);
    expect(received.filter(({ header }) => ids.includes(header.parent_msg_id ?? ""))).toEqual([]);
    did("sent to our edge; won and lost, not acknowledged", "membership-add", "membership-remove");
  });
});

test("every sample is tried or listed as not there yet, and the table of results is up to date", () => {
  expectPage({
    page: "docs/samples.md",
    title: "The sample messages, and what became of them",
    about: [
      "Each message of KubeEdge v1.23's two controllers that has a sample in `test/wire/sample-messages.json` is put on a real socket by",
      "`test/wire/samples.test.ts`, and its effect is looked for. This table is generated by it (`SKEP_UPDATE=1`).",
    ],
    missing: [
      [/^down-(node-delete|rule-insert)$/, "inside cloudcore only: never on the wire"],
      [/^policy-/, "there is no PolicyController yet"],
      [
        /^mqtt-/,
        "between mappers and edges, not on the hub: EventBus and DeviceTwin have tests of their own (test/wire/eventbus.test.ts)",
      ],
      [/^dmi-/, "a mapper calls the edge by gRPC here; test/wire/dmi.test.ts plays it"],
      [/^router-/, "there is no router yet"],
    ],
  });
});
