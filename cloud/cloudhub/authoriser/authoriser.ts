// What a node may ask for: the rules of Kubernetes' Node authoriser, and of its NodeRestriction where the authoriser alone would
// let one node write for another (KubeEdge v1.23 `cloud/pkg/cloudhub/authorization`).
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { parseJson } from "../../../protocol/json.ts";
import { referencesOf } from "../../../protocol/apis/pod.ts";
import { contentJson, type Message } from "../../../protocol/message/message.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { CsrError, derOf, readRequest } from "../../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../../protocol/pki/request.ts";
import { parseWirePath, type ResourcePath } from "../../../protocol/resource/path.ts";
import type { Caches } from "../../kube/caches.ts";
import { type Resource, resources } from "../../kube/resource.ts";

/** What every node may ask: it concerns its connection, or its receiver checks the owner. */
const openOperations: ReadonlySet<string> = new Set([
  operations.response,
  operations.error,
  operations.upload,
  operations.keepalive,
  "prepull",
  "upgrade",
  "ping",
  "pong",
  "config",
]);
const openSources: ReadonlySet<string> = new Set(["metaserver", "twin"]);
const openTypes: ReadonlySet<string> = new Set(["volume", "rulestatus"]);

/** Where every node's lease is. */
const LEASES = "kube-node-lease";
/** What marks a pod that only its node knows. */
const mirrorAnnotation = "kubernetes.io/config.mirror";

/** One question: may this node do this? */
interface Ask {
  readonly node: string;
  readonly operation: string;
  readonly path: ResourcePath;
  readonly message: Message;
}

/** Undefined if the node is authorised, else the reason as text. */
type Rule = (look: Look, ask: Ask) => Promise<string | undefined> | string | undefined;

const { insert, query, update, patch, delete: remove } = operations;

const accountFields = ["serviceAccountName", "serviceAccount"];
/** The volumes of a pod that only its node knows: all others are objects of the API. */
const mirrorVolumes: ReadonlySet<string> = new Set(["name", "hostPath", "emptyDir"]);

const anybodys: Rule = () => undefined;

const ownName: Rule = (_look, { node, path }) =>
  path.name === node ? undefined : `${path.name || "nothing"} is not ${node}`;

const ownPod: Rule = async (look, { node, path: { namespace, name } }) => {
  const pod = await look.pod(node, namespace, name);
  return pod === undefined ? `no pod ${namespace}/${name} is bound to it` : undefined;
};

const mirrorOfOwn: Rule = (_look, { node, message }) => {
  const pod = objectIn(message);
  if (textAt(pod, "spec", "nodeName") !== node) return "the pod is not bound to it";
  if (textAt(pod, "metadata", "annotations", mirrorAnnotation) === "") return "the pod is no mirror of one of its own";
  const mirrored = { ...pod, metadata: pod.metadata ?? {} } as KubeObject;
  const isFree = referencesOf(mirrored).size === 0 &&
    accountFields.every((field) => textAt(pod, "spec", field) === "") &&
    listAt(pod, "spec", "volumes").every((volume) =>
      Object.keys(volume as object).every((key) => mirrorVolumes.has(key))
    );
  return isFree ? undefined : "a mirror pod has no service account, and no volumes but those of its node";
};

const usedByPod: Rule = async (look, { node, path: { namespace, type, name } }) => {
  const used = `${type}/${namespace}/${name}`;
  const isUsed = await look.isUsed(node, (pod) => referencesOf(pod).has(used)) ||
    (type === resourceTypes.secret && await look.isSecretOfVolume(node, namespace, name));
  return isUsed ? undefined : "no pod bound to it uses that";
};

const claimOfPod: Rule = async (look, { node, path: { namespace, name } }) =>
  await look.usesClaim(node, namespace, name) ? undefined : "no pod bound to it claims that";

const volumeOfPod: Rule = async (look, { node, path }) => {
  const volume = await look.get(resources.persistentvolumes, "", path.name);
  const claim = [textAt(volume, "spec", "claimRef", "namespace"), textAt(volume, "spec", "claimRef", "name")] as const;
  return await look.usesClaim(node, ...claim) ? undefined : "no pod bound to it claims that";
};

const ownAttachment: Rule = async (look, { node, path }) => {
  const attachment = await look.get(resources.volumeattachments, "", path.name);
  return textAt(attachment, "spec", "nodeName") === node ? undefined : "that is attached to no such node";
};

const ownLease: Rule = (look, ask) =>
  ask.path.namespace === LEASES ? ownName(look, ask) : `leases of nodes are in ${LEASES}`;

const tokenOfPod: Rule = async (look, { node, path, message }) => {
  const bound = (objectIn(message).spec as { readonly boundObjectRef?: Record<string, string> } | undefined)
    ?.boundObjectRef;
  if (bound?.kind !== "Pod") return "the token is not bound to a pod";
  const pod = await look.pod(node, path.namespace, bound.name ?? "");
  const isIt = pod !== undefined && pod.metadata.uid === bound.uid &&
    (textAt(pod, "spec", "serviceAccountName") || "default") === path.name;
  return isIt ? undefined : "no such pod of that account is bound to it";
};

const ownRequest: Rule = async (look, { node, operation, path, message }) => {
  const asked = operation === insert
    ? objectIn(message)
    : await look.get(resources.certificatesigningrequests, "", path.name);
  // Whether it exists is no secret: the API answers that.
  if (asked === undefined) return undefined;
  const pem = Buffer.from(textAt(asked, "spec", "request"), "base64").toString("latin1");
  try {
    const { subject } = await readRequest(derOf(pem));
    const isIts = subject.commonName === nodeCommonName(node) && subject.organization === nodeOrganization;
    return isIts ? undefined : `the request is for ${subject.commonName}`;
  } catch (error) {
    if (error instanceof CsrError) return error.message;
    throw error;
  }
};

/** Whether a patch of an event touches what it is about, or can't be read. */
function changesSubject(content: unknown): boolean {
  try {
    const changes = parseJson(String(at(content, "patchData")));
    return typeof changes !== "object" || changes === null || Array.isArray(changes) ||
      Object.keys(changes).some((key) => key.toLowerCase() === "involvedobject");
  } catch {
    return true;
  }
}

/** Events are about the node itself or a pod of its own; one that is there stays about what it was about. */
const ownEvent: Rule = async (look, { node, message, operation, path }) => {
  const content = objectIn(message);
  const event = operation === patch ? at(content, "event") : content;
  const isOwn = async (subject: unknown): Promise<boolean> => {
    const [kind, namespace, name] = ["kind", "namespace", "name"].map((field) =>
      textAt(subject, "involvedObject", field)
    ) as [string, string, string];
    if (kind === "Node") return name === node;
    return kind === "Pod" && await look.pod(node, namespace, name) !== undefined;
  };
  const written = textAt(event, "metadata", "name") || path.name;
  const namespace = textAt(event, "metadata", "namespace") || "default";
  const present = operation === insert ? undefined : await look.get(resources.events, namespace, written);
  if (operation === patch && changesSubject(content)) {
    return "a patch of an event can't make it one about something else";
  }
  const isAllowed = operation === insert || present !== undefined && await isOwn(present);
  if (isAllowed && (await isOwn(event) || operation === patch)) return undefined;
  return "the event is not about it or a pod that is bound to it";
};

/** What a node may do, by resource type and operation. Everything else is refused. */
const rules: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  [resourceTypes.node]: { [insert]: ownName, [query]: ownName, [update]: ownName, [patch]: ownName },
  [resourceTypes.nodestatus]: { [insert]: ownName, [update]: ownName, [patch]: ownName },
  [resourceTypes.nodepatch]: { [insert]: ownName, [update]: ownName, [patch]: ownName },
  [resourceTypes.pod]: { [insert]: mirrorOfOwn, [query]: ownPod, [remove]: ownPod },
  [resourceTypes.podstatus]: { [update]: ownPod, [patch]: ownPod },
  [resourceTypes.podpatch]: { [update]: ownPod, [patch]: ownPod },
  [resourceTypes.configmap]: { [query]: usedByPod },
  [resourceTypes.secret]: { [query]: usedByPod },
  [resourceTypes.persistentvolume]: { [query]: volumeOfPod },
  [resourceTypes.persistentvolumeclaim]: { [query]: claimOfPod },
  [resourceTypes.volumeattachment]: { [query]: ownAttachment },
  // Every node may read all services, as with Kubernetes' own rules.
  [resourceTypes.service]: { [query]: anybodys },
  [resourceTypes.endpoints]: { [query]: anybodys },
  [resourceTypes.event]: { [insert]: ownEvent, [update]: ownEvent, [patch]: ownEvent },
  [resourceTypes.lease]: {
    [insert]: ownLease,
    [query]: ownLease,
    [update]: ownLease,
    [patch]: ownLease,
    [remove]: ownLease,
  },
  [resourceTypes.serviceaccounttoken]: { [query]: tokenOfPod },
  [resourceTypes.certificatesigningrequest]: { [insert]: ownRequest, [query]: ownRequest },
};

/** What nodes may ask about what is their own alone, as `operation type`. */
export const ownAlone: readonly string[] = Object.entries(rules).flatMap(([type, operations]) =>
  Object.entries(operations).filter(([, rule]) => rule !== anybodys).map(([operation]) => `${operation} ${type}`)
);

export class NodeAuthoriser {
  readonly #look: Look;

  constructor(caches: Caches) {
    this.#look = new Look(caches);
  }

  /** Why the node may not do what the message asks; undefined where it may. Rejects where the API can't be asked. */
  async refusal(node: string, message: Message): Promise<string | undefined> {
    const { operation = "", resource = "", source = "" } = message.route;
    if (openOperations.has(operation) || openSources.has(source) || resource === "k8s/ca.crt") return undefined;
    const path = parseWirePath(resource);
    if (path === undefined) return "the path means nothing";
    if (openTypes.has(path.type)) return undefined;
    const ask: Ask = { node, operation, path, message };
    if (path.type === resourceTypes.podstatus) {
      const foreign = await this.#reports(ask);
      if (foreign !== undefined || path.name === "") return foreign;
    }
    const ofType = Object.hasOwn(rules, path.type) ? rules[path.type] : undefined;
    const rule = ofType !== undefined && Object.hasOwn(ofType, operation) ? ofType[operation] : undefined;
    if (rule === undefined) return `no node may ${operation || "do nothing with"} a ${path.type}`;
    return await rule(this.#look, ask);
  }

  /** Old edges report many pods in one message: every one that exists must be bound to the node. */
  async #reports({ node, path, message }: Ask): Promise<string | undefined> {
    const reports = Array.isArray(message.content) ? message.content : [objectIn(message)];
    for (const report of reports) {
      const given = at(report, "Name") ?? path.name;
      if (typeof given !== "string") return "a report names no pod";
      const name = given === "" ? path.name : given;
      if (await this.#look.isElsewhere(node, path.namespace, name)) {
        return `pod ${path.namespace}/${name} is not its own`;
      }
    }
    return undefined;
  }
}

/** Looks into the caches, and into the API where they may lag behind or don't reach. */
class Look {
  readonly #caches: Caches;
  readonly #podsOf = new Map<string, Map<string, KubeObject>>();

  constructor(caches: Caches) {
    this.#caches = caches;
    caches.of(resources.pods).subscribe((event) => {
      const { metadata } = event.object;
      const key = `${metadata.namespace}/${metadata.name}`;
      const before = event.type === "modified" ? event.previous : event.object;
      this.#podsOf.get(textAt(before, "spec", "nodeName"))?.delete(key);
      const node = textAt(event.object, "spec", "nodeName");
      if (event.type === "deleted" || node === "") return;
      const pods = this.#podsOf.get(node) ?? new Map<string, KubeObject>();
      pods.set(key, event.object);
      this.#podsOf.set(node, pods);
    });
  }

  async get(resource: Resource, namespace: string, name: string): Promise<KubeObject | undefined> {
    if (name === "") return undefined;
    return await this.#caches.client.find({ resource, name, ...(resource.namespaced ? { namespace } : {}) });
  }

  /** The pod, if it is bound to the node. */
  async pod(node: string, namespace: string, name: string): Promise<KubeObject | undefined> {
    const known = this.#podsOf.get(node)?.get(`${namespace}/${name}`);
    if (known !== undefined) return known;
    const live = await this.get(resources.pods, namespace, name);
    return textAt(live, "spec", "nodeName") === node ? live : undefined;
  }

  async isElsewhere(node: string, namespace: string, name: string): Promise<boolean> {
    if (await this.pod(node, namespace, name) !== undefined) return false;
    return await this.get(resources.pods, namespace, name) !== undefined;
  }

  /** Whether a pod of the node is as described; false until the cache has it. */
  isUsed(node: string, does: (pod: KubeObject) => boolean): Promise<boolean> {
    return Promise.resolve(this.#podsOf.get(node)?.values().some(does) === true);
  }

  async usesClaim(node: string, namespace: string, name: string): Promise<boolean> {
    if (name === "") return false;
    return await this.isUsed(node, (pod) => pod.metadata.namespace === namespace && claimsOf(pod).includes(name));
  }

  /** Whether a volume of the node's pods names the secret for mounting it. */
  async isSecretOfVolume(node: string, namespace: string, name: string): Promise<boolean> {
    for (const pod of this.#podsOf.get(node)?.values() ?? []) {
      for (const claimName of claimsOf(pod)) {
        const claim = await this.get(resources.persistentvolumeclaims, pod.metadata.namespace ?? "", claimName);
        const volume = await this.get(resources.persistentvolumes, "", textAt(claim, "spec", "volumeName"));
        if (mountSecretsOf(volume).includes(`${namespace}/${name}`)) return true;
      }
    }
    return false;
  }
}

function claimsOf(pod: KubeObject): string[] {
  return listAt(pod, "spec", "volumes").map((volume) => textAt(volume, "persistentVolumeClaim", "claimName"))
    .filter((name) => name !== "");
}

function mountSecretsOf(volume: KubeObject | undefined): string[] {
  return ["nodePublishSecretRef", "nodeStageSecretRef", "controllerPublishSecretRef", "nodeExpandSecretRef"]
    .map((field) =>
      `${textAt(volume, "spec", "csi", field, "namespace")}/${textAt(volume, "spec", "csi", field, "name")}`
    );
}

/** The content as an object; an empty object for other content. */
function objectIn(message: Message): Readonly<Record<string, unknown>> {
  try {
    const value = contentJson(message);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}
