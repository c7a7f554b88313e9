// Hub authorisation, for every kind an edge may ask about: what is a node's own is served, what is another's is not.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ownAlone } from "../../cloud/cloudhub/authoriser/authoriser.ts";
import type { Fields, Logger } from "../../base/log/logger.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { pemOf } from "../../protocol/pki/ca.ts";
import { createNodeRequest } from "../../protocol/pki/request.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { until } from "../support/until.ts";
import { edgeLabels } from "../support/nodes.ts";
import { type Cloud, startCloud } from "../support/start.ts";

const mirror = { "kubernetes.io/config.mirror": "x" };

/** What there is of either node: `mine` and `theirs`, and things nobody uses. */
async function furnish({ kube }: Cloud) {
  const create = (resource: Resource, name: string, rest: Record<string, unknown> = {}) => {
    const { apiVersion, kind, namespaced } = resource;
    const metadata = { name, ...(namespaced ? { namespace: "default" } : { labels: edgeLabels }) };
    return kube.create(resource, { apiVersion, kind, metadata, ...rest });
  };
  const pods: Record<string, KubeObject> = {};
  for (const node of ["mine", "theirs"]) {
    await create(resources.nodes, node);
    for (const kind of [resources.configmaps, resources.secrets]) await create(kind, `of-${node}`);
    await create(resources.secrets, `mounts-${node}`);
    await create(resources.persistentvolumes, `pv-${node}`, {
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        claimRef: { namespace: "default", name: `claim-${node}` },
        csi: { driver: "d", volumeHandle: "h", nodePublishSecretRef: { namespace: "default", name: `mounts-${node}` } },
      },
    });
    await create(resources.persistentvolumeclaims, `claim-${node}`, {
      spec: {
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "1Gi" } },
        volumeName: `pv-${node}`,
      },
    });
    await create(resources.volumeattachments, `va-${node}`, {
      spec: { attacher: "d", nodeName: node, source: { persistentVolumeName: `pv-${node}` } },
    });
    await create(resources.serviceaccounts, `account-${node}`);
    pods[node] = await create(resources.pods, `pod-${node}`, {
      spec: {
        nodeName: node,
        serviceAccountName: `account-${node}`,
        containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: `of-${node}` } }] }],
        volumes: [
          { name: "s", secret: { secretName: `of-${node}` } },
          { name: "v", persistentVolumeClaim: { claimName: `claim-${node}` } },
        ],
      },
    });
    for (const kind of ["patched", "deleted"]) {
      await create(resources.pods, `${kind}-${node}`, {
        spec: { nodeName: node, containers: [{ name: "c", image: "i" }] },
      });
    }
  }
  return pods;
}

/** Everything an edge may ask, for a node: operation, path, content. */
async function asksAbout(node: string, pod: KubeObject) {
  const meta = (name: string, more: Record<string, unknown> = {}) => ({
    metadata: { name, namespace: "default", ...more },
  });
  const token = {
    spec: { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: `pod-${node}`, uid: pod.metadata.uid } },
  };
  const { csr } = await createNodeRequest(node);
  const request = Buffer.from(pemOf("CERTIFICATE REQUEST", csr)).toString("base64");
  const signing = {
    metadata: { name: `csr-${node}` },
    spec: { request, signerName: "kubernetes.io/kube-apiserver-client-kubelet", usages: ["client auth"] },
  };
  const lease = {
    metadata: { name: node, namespace: "kube-node-lease" },
    spec: { holderIdentity: node, leaseDurationSeconds: 40 },
  };
  const bare = { spec: { nodeName: node, containers: [{ name: "c", image: "i" }] } };
  const status = JSON.stringify({ status: { phase: "Running" } });
  return [
    ["query", `null/node/${node}`, null],
    ["update", `null/node/${node}`, { metadata: { name: node, annotations: { touched: "yes" } } }],
    ["patch", `null/nodepatch/${node}`, JSON.stringify({ status: { phase: "Running" } })],
    ["update", `default/nodestatus/${node}`, { UID: "x", Status: { conditions: [] } }],
    ["insert", `kube-node-lease/lease/${node}`, lease],
    ["query", `kube-node-lease/lease/${node}`, null],
    ["query", `default/configmap/of-${node}`, null],
    ["query", `default/secret/of-${node}`, null],
    ["query", `default/secret/mounts-${node}`, null],
    ["query", `null/persistentvolume/pv-${node}`, null],
    ["query", `default/persistentvolumeclaim/claim-${node}`, null],
    ["query", `default/volumeattachment/va-${node}`, null],
    ["query", `default/serviceaccounttoken/account-${node}`, token],
    ["insert", `null/certificatesigningrequest/csr-${node}`, signing],
    ["query", `null/certificatesigningrequest/csr-${node}`, null],
    ["insert", `default/pod/mirror-${node}`, { ...meta(`mirror-${node}`, { annotations: mirror }), ...bare }],
    ["patch", `default/podpatch/patched-${node}`, status],
    ["update", `default/podstatus/patched-${node}`, { Name: `patched-${node}`, Status: { phase: "Running" } }],
    ["update", "default/podstatus", [{ Name: `patched-${node}`, Status: { phase: "Running" } }]],
    ["delete", `default/pod/deleted-${node}`, { gracePeriodSeconds: 0 }],
  ] as [operation: string, resource: string, content: unknown][];
}

/** What else an edge may not ask about another node. */
function moreAbout(node: string, pod: KubeObject): [operation: string, resource: string, content: unknown][] {
  const status = JSON.stringify({ status: { phase: "Failed" } });
  const object = { metadata: { name: node, annotations: { touched: "yes" } } };
  const lease = { metadata: { name: node, namespace: "kube-node-lease" }, spec: { holderIdentity: "mine" } };
  const event = {
    metadata: { name: `of-${node}`, namespace: "default" },
    involvedObject: { kind: "Pod", namespace: "default", name: pod.metadata.name },
  };
  return [
    ["insert", `null/node/${node}`, object],
    ["patch", `null/node/${node}`, JSON.stringify(object)],
    ["insert", `default/nodestatus/${node}`, { UID: "x", Status: { conditions: [] } }],
    ["patch", `default/nodestatus/${node}`, status],
    ["insert", `null/nodepatch/${node}`, status],
    ["update", `null/nodepatch/${node}`, status],
    ["query", `default/pod/${pod.metadata.name}`, null],
    ["patch", `default/podstatus/patched-${node}`, status],
    ["update", `default/podpatch/patched-${node}`, status],
    ["update", `kube-node-lease/lease/${node}`, lease],
    ["patch", `kube-node-lease/lease/${node}`, JSON.stringify(lease)],
    ["delete", `kube-node-lease/lease/${node}`, null],
    ["insert", `default/event/of-${node}`, event],
    ["update", `default/event/of-${node}`, event],
    ["patch", `default/event/of-${node}`, { event, patchData: "{}" }],
  ];
}

interface Line {
  readonly message: string;
  readonly fields: Fields;
}

function listening(): { readonly logger: Logger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const take = (message: string, fields: Fields = {}) => void lines.push({ message, fields });
  const logger: Logger = { debug() {}, info() {}, warn: take, error: take, with: () => logger };
  return { logger, lines };
}

async function world(authorization: "off" | "log" | "on") {
  const { lines, logger } = listening();
  // This edge sends no keepalives: however slow the machine is, its connection stays.
  const config = { authorization, syncInterval: 60_000, keepaliveInterval: 600_000 };
  const cloud = await startCloud({ config, logger });
  const pods = await furnish(cloud);
  const edge = await rawEdge(cloud, "mine");
  edge.acknowledgeAll();
  return { cloud, edge, lines, pods };
}

/** Sends a request and something whose answer comes after it; tells whether the request was answered. */
async function isAnswered(edge: RawEdge, operation: string, resource: string, content: unknown): Promise<boolean> {
  const sent = edge.send({ operation, resource, content });
  const after = edge.send({ operation: "query", resource: "null/node/mine", content: null });
  await edge.expect("the answer to what came after", ({ header }) => header.parent_msg_id === after.header.msg_id);
  return edge.received.some(({ header }) => header.parent_msg_id === sent.header.msg_id);
}

describe("authorisation on", () => {
  let started: Awaited<ReturnType<typeof world>>;
  beforeAll(async () => void (started = await world("on")));
  afterAll(() => started.cloud.stop());

  test("what is the node's own is served, kind by kind", async () => {
    const { edge, pods } = started;
    for (const [operation, resource, content] of await asksAbout("mine", pods.mine as KubeObject)) {
      expect(await isAnswered(edge, operation, resource, content), `${operation} ${resource}`).toBe(true);
    }
  });

  test("what is another node's is neither read nor written, kind by kind", async () => {
    const { cloud, edge, pods, lines } = started;
    const { csr } = await createNodeRequest("theirs");
    await cloud.kube.create(resources.certificatesigningrequests, {
      apiVersion: resources.certificatesigningrequests.apiVersion,
      kind: "CertificateSigningRequest",
      metadata: { name: "csr-theirs" },
      spec: {
        request: Buffer.from(pemOf("CERTIFICATE REQUEST", csr)).toString("base64"),
        signerName: "kubernetes.io/kube-apiserver-client-kubelet",
        usages: ["client auth"],
      },
    });
    const before = await Promise.all(
      [resources.nodes, resources.pods, resources.leases].map((resource) => cloud.kube.list(resource)),
    );
    const theirs = (lists: typeof before) =>
      lists.flatMap(({ items }) => items).filter(({ metadata }) => metadata.name.includes("theirs"))
        .map(({ kind, metadata }) => [kind, metadata.name, metadata.resourceVersion]);
    const pod = pods.theirs as KubeObject;
    const asks = [...await asksAbout("theirs", pod), ...moreAbout("theirs", pod)];
    const refusals = () => lines.filter(({ message }) => message === "an edge asked for what it may not").length;
    for (const [operation, resource, content] of asks) {
      const refused = refusals();
      expect(await isAnswered(edge, operation, resource, content), `${operation} ${resource}`).toBe(false);
      expect(refusals(), `${operation} ${resource} is refused`).toBe(refused + 1);
    }
    // Each kind and operation that has a rule has been tried.
    const tried = new Set(asks.map(([operation, resource]) => `${operation} ${resource.split("/")[1]}`));
    expect(ownAlone.filter((each) => !tried.has(each))).toEqual([]);
    const after = await Promise.all(
      [resources.nodes, resources.pods, resources.leases].map((resource) => cloud.kube.list(resource)),
    );
    expect(theirs(after)).toEqual(theirs(before));
    expect(cloud.core.hub.totals.refusals.get("not allowed")).toBeGreaterThanOrEqual(asks.length);
  });

  test.each<[string, string, unknown]>([
    ["insert", "null/node/new", { metadata: { name: "new" } }],
    ["delete", "null/node/mine", null],
    ["update", "default/configmap/of-mine", { metadata: { name: "of-mine" }, data: { a: "b" } }],
    ["query", "default/configmap/nobodys", null],
    ["query", "kube-system/secret/of-mine", null],
    ["query", "default/serviceaccounttoken/account-mine", { spec: {} }],
    ["query", "default/serviceaccounttoken/account-theirs", {
      spec: { boundObjectRef: { kind: "Pod", name: "pod-mine" } },
    }],
    ["insert", "default/pod/free", { metadata: { name: "free" }, spec: { nodeName: "mine", containers: [] } }],
    ["insert", "default/pod/eager", {
      metadata: { name: "eager", annotations: mirror },
      spec: { nodeName: "mine", serviceAccountName: "account-mine", containers: [] },
    }],
    ["insert", "default/pod/greedy", {
      metadata: { name: "greedy", annotations: mirror },
      spec: {
        nodeName: "mine",
        containers: [],
        volumes: [{ name: "v", persistentVolumeClaim: { claimName: "claim-theirs" } }],
      },
    }],
    ["insert", "default/pod/aliased", {
      metadata: { name: "aliased", annotations: mirror },
      spec: { nodeName: "mine", serviceAccount: "account-mine", containers: [] },
    }],
    ["insert", "default/pod/token", {
      metadata: { name: "token", annotations: mirror },
      spec: {
        nodeName: "mine",
        containers: [],
        volumes: [{ name: "t", projected: { sources: [{ serviceAccountToken: {} }] } }],
      },
    }],
    ["update", "default/podstatus/patched-mine", [{ Name: "patched-theirs", Status: { phase: "Failed" } }]],
    ["update", "default/podstatus/patched-mine", { Name: "patched-theirs", Status: { phase: "Failed" } }],
    ["update", "default/podstatus", [{ Name: ["patched-theirs"], Status: { phase: "Failed" } }]],
    ["insert", "default/event/e", { metadata: { name: "e", namespace: "default" } }],
    ["insert", "default/lease/mine", { metadata: { name: "mine" } }],
    ["query", "default/zebra/x", null],
    ["query", "constructor/toString/x", null],
    ["query", "no-path", null],
  ])("%s %s is refused", async (operation, resource, content) => {
    expect(await isAnswered(started.edge, operation, resource, content)).toBe(false);
  });

  test("events about the node and its own pods are taken, those about others are not, whatever a patch says of them", async () => {
    const { cloud, edge } = started;
    const eventOf = (name: string, involvedObject: object) => ({
      metadata: { name, namespace: "default" },
      involvedObject,
    });
    const own = { kind: "Pod", namespace: "default", name: "pod-mine" };
    const theirs = { kind: "Pod", namespace: "default", name: "pod-theirs" };
    const ref = (name: string) => ({ resource: resources.events, namespace: "default", name });
    await cloud.kube.create(resources.events, { apiVersion: "v1", kind: "Event", ...eventOf("of-theirs", theirs) });
    const patchOf = (name: string, about: object) => ({
      event: eventOf(name, about),
      patchData: '{"reason":"patched"}',
    });
    const asks: [string, string, object][] = [
      ["insert", "event/of-node", eventOf("of-node", { kind: "Node", name: "mine" })],
      ["insert", "event/of-pod", eventOf("of-pod", own)],
      ["insert", "event/foreign-pod", eventOf("foreign-pod", theirs)],
      ["insert", "event/foreign-node", eventOf("foreign-node", { kind: "Node", name: "theirs" })],
      ["insert", "event/foreign-kind", eventOf("foreign-kind", { kind: "Secret", name: "x" })],
      ["patch", "event/of-theirs", patchOf("of-theirs", own)],
    ];
    for (const [operation, resource, content] of asks) {
      await isAnswered(edge, operation, `default/${resource}`, content);
    }
    await until(
      "the node's events are there",
      async () =>
        await cloud.kube.find(ref("of-node")) !== undefined && await cloud.kube.find(ref("of-pod")) !== undefined,
    );
    await isAnswered(edge, "patch", "default/event/of-pod", patchOf("of-pod", own));
    await until("its own is patched", async () => (await cloud.kube.get(ref("of-pod"))).reason === "patched");
    await isAnswered(edge, "patch", "default/event/of-pod", {
      event: eventOf("of-pod", own),
      patchData: '{"involvedObject":{"name":"pod-theirs"}}',
    });
    expect((await cloud.kube.get(ref("of-pod"))).involvedObject).toMatchObject({ name: "pod-mine" });
    for (const name of ["foreign-pod", "foreign-node", "foreign-kind"]) {
      expect(await cloud.kube.find(ref(name)), name).toBeUndefined();
    }
    expect((await cloud.kube.get(ref("of-theirs"))).reason).toBeUndefined();
  });

  test("device reports, keepalives, the CA and acknowledgements are let through", async () => {
    const { edge } = started;
    edge.send({ operation: "keepalive", source: "websocket", resource: "node", content: "ping" });
    edge.send({ operation: "get", source: "twin", group: "twin", resource: "membership/detail", content: {} });
    const query = edge.send({ operation: "query", resource: "k8s/ca.crt", content: null });
    await edge.expect("the CA", ({ header }) => header.parent_msg_id === query.header.msg_id);
    expect(edge.ended()).toBeUndefined();
  });
});

describe("a Node that was left without its reserved labels", () => {
  test("is given them at the edge's next try to register", async () => {
    const cloud = await startCloud({ config: { authorization: "on", impersonates: true } });
    try {
      // What cloudcore has made, and nobody else: it says so in an annotation.
      const annotations = { cloudcore: "127.0.0.1" };
      await cloud.kube.create(resources.nodes, {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: "halved", annotations },
      });
      const edge = await rawEdge(cloud, "halved");
      const insert = edge.send({
        operation: "insert",
        resource: "null/node/halved",
        content: { metadata: { name: "halved", labels: edgeLabels } },
      });
      const answer = await edge.expect("the answer", ({ header }) => header.parent_msg_id === insert.header.msg_id);
      expect(answer.content).toMatchObject({ Err: { ErrStatus: { code: 409 } } });
      expect((await cloud.kube.get({ resource: resources.nodes, name: "halved" })).metadata.labels).toMatchObject(
        edgeLabels,
      );
      // Once it has some, no further ones: they are the administrator's to give, and to take.
      const greedy = { "node-restriction.kubernetes.io/tenant": "b", "node-role.kubernetes.io/edge": null };
      const again = edge.send({
        operation: "insert",
        resource: "null/node/halved",
        content: { metadata: { name: "halved", labels: greedy } },
      });
      await edge.expect("the answer", ({ header }) => header.parent_msg_id === again.header.msg_id);
      expect((await cloud.kube.get({ resource: resources.nodes, name: "halved" })).metadata.labels).toEqual(edgeLabels);
      edge.close();
    } finally {
      await cloud.stop();
    }
  });
});

describe("calls for an edge", () => {
  test.each([[true, "system:node:speaks of system:nodes"], [false, ""]] as const)(
    "with impersonation %s are made as %j, but for reserved labels and events",
    async (impersonates, expected) => {
      const cloud = await startCloud({ config: { authorization: "on", impersonates } });
      try {
        // The API's own log of who asked would tell the same; the embedded one keeps none.
        const asked: string[] = [];
        const { call } = KubeClient.prototype;
        const spied = vi.spyOn(KubeClient.prototype, "impersonating").mockImplementation(
          function (this: KubeClient, user, group) {
            const real = new KubeClient(this.config, this, { "impersonate-user": user, "impersonate-group": group });
            real.call = (method, path, ...rest) => {
              asked.push(`${user} of ${group} ${method} ${path}`);
              return Reflect.apply(call, real, [method, path, ...rest]);
            };
            return real;
          },
        );
        const edge = await rawEdge(cloud, "speaks");
        const node = {
          metadata: { name: "speaks", labels: { ...edgeLabels, "kubernetes.io/hostname": "speaks", free: "yes" } },
        };
        const insert = edge.send({ operation: "insert", resource: "null/node/speaks", content: node });
        const answer = await edge.expect("the answer", ({ header }) => header.parent_msg_id === insert.header.msg_id);
        expect(answer.content).toMatchObject({ Object: { metadata: { labels: node.metadata.labels } }, Err: null });
        edge.send({
          operation: "insert",
          resource: "default/event/e",
          content: { metadata: { name: "e", namespace: "default" } },
        });
        const query = edge.send({ operation: "query", resource: "kube-node-lease/lease/speaks", content: null });
        await edge.expect("the lease's answer", ({ header }) => header.parent_msg_id === query.header.msg_id);
        spied.mockRestore();
        const stored = await cloud.kube.get({ resource: resources.nodes, name: "speaks" });
        expect(stored.metadata.labels).toMatchObject(node.metadata.labels);
        expect(asked).toEqual(
          expected === ""
            ? []
            : ["POST /api/v1/nodes", "GET /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/speaks"].map((
              call,
            ) => `${expected} ${call}`),
        );
        edge.close();
      } finally {
        await cloud.stop();
      }
    },
  );
});

describe("authorisation off, and only logged", () => {
  test.each(["off", "log"] as const)("%s: what is another's is carried out; log says so", async (authorization) => {
    const { cloud, edge, lines, pods } = await world(authorization);
    try {
      const [ask] = (await asksAbout("theirs", pods.theirs as KubeObject)).filter(([operation]) =>
        operation === "update"
      );
      const [operation, resource, content] = ask as [string, string, unknown];
      expect(await isAnswered(edge, operation, resource, content)).toBe(true);
      const node = await until(
        "their node has it",
        () => cloud.kube.get({ resource: resources.nodes, name: "theirs" }),
      );
      expect(textAt(node, "metadata", "annotations", "touched")).toBe("yes");
      const said = lines.filter(({ message }) => message === "an edge asked for what it may not, and is served");
      expect(said.map(({ fields }) => fields.resource)).toEqual(authorization === "log" ? ["null/node/theirs"] : []);
    } finally {
      await cloud.stop();
    }
  });

  test("a whole fleet lives under it: its pods run, its devices report", async () => {
    const cloud = await startCloud({ config: { authorization: "on" } });
    try {
      const fleet = await cloud.fleet(2, "guarded");
      await until("both are Ready", () => fleet.edges().every((edge) => edge.isReady));
      await cloud.kube.create(resources.configmaps, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "app", namespace: "default" },
      });
      await cloud.kube.create(resources.pods, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "p", namespace: "default" },
        spec: {
          nodeName: "guarded-0",
          containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: "app" } }] }],
        },
      });
      const ref = { resource: resources.pods, namespace: "default", name: "p" };
      await until("the pod runs", async () => textAt(await cloud.kube.get(ref), "status", "phase") === "Running");
      await cloud.kube.delete(ref);
      await until("the pod is gone", async () => await cloud.kube.find(ref) === undefined);
      expect(cloud.core.hub.totals.refusals.size).toBe(0);
    } finally {
      await cloud.stop();
    }
  });
});
