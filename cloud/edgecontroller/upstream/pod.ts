// A pod's status as its node sees it, and its end.
import { secondsOf } from "../../../protocol/apis/time.ts";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { type DeleteOptions, hasCode } from "../../kube/client.ts";
import { resources } from "../../kube/resource.ts";
import {
  ContentError,
  contentObject,
  contentPatch,
  done,
  type EdgeAnswer,
  type EdgeRequest,
  failure,
  type Handler,
  objectAnswer,
  type UpstreamDeps,
  versionedAnswer,
} from "./request.ts";

/** `patch podpatch/{name}`: a strategic merge patch of the status, sent on verbatim. */
export const patchPod: Handler = async ({ client }, request) => {
  const { namespace, name } = request.path;
  try {
    const ref = { resource: resources.pods, namespace, name };
    return [versionedAnswer(await client.patch(ref, "strategic", contentPatch(request), "status"))];
  } catch (error) {
    return [objectAnswer(emptyPod, error)];
  }
};

/** The zero Pod that Go's client hands back with an error. */
const emptyPod = {
  metadata: { creationTimestamp: null },
  spec: { containers: null },
  status: {},
} as unknown as KubeObject;

/** `insert pod/{name}`: the mirror of a pod that only its node knows. A node mirrors its own pods. */
export const createPod: Handler = async ({ client }, request) => {
  const pod = { ...contentObject(request), apiVersion: "v1", kind: "Pod" };
  const { namespace, name } = request.path;
  if (textAt(pod, "spec", "nodeName") !== request.node) {
    return [objectAnswer(emptyPod, new Error(`pod ${namespace}/${name} is not bound to ${request.node}`))];
  }
  try {
    const metadata = { ...pod.metadata, namespace, name };
    return [versionedAnswer(await client.create(resources.pods, { ...pod, metadata }))];
  } catch (error) {
    return [objectAnswer(emptyPod, error)];
  }
};

/**
 * `delete pod/{name}`: the containers have been removed, so the object may be deleted. The content is DeleteOptions, or from old edges the
 * uid as a text. A pod that is deleted already, or was recreated meanwhile, counts as deleted.
 */
export const deletePod: Handler = async ({ client }, request) => {
  const { namespace, name } = request.path;
  try {
    await client.delete({ resource: resources.pods, namespace, name }, desiredStateOf(request));
    return [done];
  } catch (error) {
    const wasRecreated = hasCode(error, 409) &&
      (error as Error).message.includes("The object might have been deleted and then recreated");
    return hasCode(error, 404) || wasRecreated ? [done] : [{ content: failure(error) }];
  }
};

function desiredStateOf(request: EdgeRequest): DeleteOptions {
  const { content } = request.message;
  if (typeof content === "string" && !content.startsWith("{")) {
    return { gracePeriodSeconds: 0, preconditions: { uid: content.replace(/^"|"$/g, "") } };
  }
  return contentObject(request) as unknown as DeleteOptions;
}

type EdgeVersion = "v1.1" | "v1.23";

/** One entry of an older edge's report. */
interface ReportedStatus {
  readonly UID?: string;
  readonly Name?: string;
  readonly Status?: Record<string, unknown>;
}

/** `update podstatus[/{name}]`, as edges before v1.12 send it: one status, or a list of them. */
export const podStatus: Handler = (deps, request) => takeStatuses(deps, request, "v1.23");

/**
 * As podStatus, from a node of v1.1: a status of a former pod, or of one in another namespace, is ignored. Its cloud wrote it
 * to the pod of that name; the edge, sent the deletion, would delete that one.
 */
export const podStatusOfV11: Handler = (deps, request) => takeStatuses(deps, request, "v1.1");

async function takeStatuses(
  deps: UpstreamDeps,
  request: EdgeRequest,
  version: EdgeVersion,
): Promise<readonly EdgeAnswer[]> {
  if (request.operation !== operations.update) return [];
  const { content } = request.message;
  const reports = (Array.isArray(content) ? content : [contentObject(request)]) as ReportedStatus[];
  const answers: EdgeAnswer[] = [];
  for (const report of reports) {
    try {
      answers.push(...await updateStatus(deps, request, report, version));
    } catch (error) {
      // An unreadable entry is skipped; the others are processed.
      if (!(error instanceof ContentError) || reports.length === 1) throw error;
    }
  }
  return answers;
}

/** A status as the API keeps it: times to the second, containers in order, and conditions that did not change as old as they are. */
function cleaned(given: Record<string, unknown>, pod: KubeObject, now: string): Record<string, unknown> {
  const before = new Map(listAt(pod, "status", "conditions").map((c) => [textAt(c, "type"), c]));
  const conditions = listAt(given, "conditions").map((condition) => {
    const type = textAt(condition, "type");
    if (type !== "Ready" && type !== "Initialized") return condition;
    const old = before.get(type);
    const isSame = textAt(old, "status") === textAt(condition, "status");
    const lastTransitionTime = isSame ? textAt(old, "lastTransitionTime") || now : now;
    return { ...condition as object, lastTransitionTime };
  });
  const byName = (a: unknown, b: unknown) => textAt(a, "name") < textAt(b, "name") ? -1 : 1;
  const order = listAt(pod, "spec", "initContainers").map((container) => textAt(container, "name"));
  const inOrder = (a: unknown, b: unknown) => order.indexOf(textAt(a, "name")) - order.indexOf(textAt(b, "name"));
  const sorted = (field: string, by: (a: unknown, b: unknown) => number) =>
    Array.isArray(given[field]) ? { [field]: (given[field] as unknown[]).toSorted(by) } : {};
  return toSeconds({
    ...given,
    ...(conditions.length === 0 ? {} : { conditions }),
    ...sorted("containerStatuses", byName),
    ...sorted("initContainerStatuses", inOrder),
  }) as Record<string, unknown>;
}

const preciseTime = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$/;

/** Times are kept to the second, as `metav1.Time` writes them. */
function toSeconds(value: unknown): unknown {
  if (typeof value === "string") return value.replace(preciseTime, "$1Z");
  if (Array.isArray(value)) return value.map(toSeconds);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toSeconds(inner)]));
}

async function updateStatus(
  { client, clock }: UpstreamDeps,
  request: EdgeRequest,
  report: ReportedStatus,
  version: EdgeVersion,
): Promise<EdgeAnswer[]> {
  const { namespace } = request.path;
  if (typeof report !== "object" || report === null) {
    throw new ContentError(request.message.header.msg_id, "an object was expected");
  }
  // The path says whose status it is, where it says anything: the name inside must not lead elsewhere.
  const name = request.path.name || report.Name;
  if (typeof name !== "string" || name === "" || (report.Name ?? name) !== name) {
    throw new ContentError(request.message.header.msg_id, `it is about ${String(report.Name)}, its path about ${name}`);
  }
  const ref = { resource: resources.pods, namespace, name };
  try {
    const pod = await client.find(ref);
    const isOther = pod !== undefined && report.UID !== undefined && pod.metadata.uid !== report.UID;
    if (isOther && version === "v1.1") return [];
    if (pod === undefined || isOther) {
      // The edge has a pod that the API doesn't have: it is sent the deletion, by name.
      const stub = { metadata: { name, namespace, creationTimestamp: null }, spec: { containers: null }, status: {} };
      return [done, { content: stub, operation: operations.delete, type: resourceTypes.pod, name }];
    }
    const reported = cleaned(report.Status ?? {}, pod, secondsOf(clock.now()));
    const status = {
      ...reported,
      startTime: textAt(pod, "status", "startTime") || reported.startTime || secondsOf(clock.now()),
    };
    const stored = await client.update(resources.pods, { ...pod, status }, "status");
    const phase = textAt(stored, "status", "phase");
    const ended = phase === "Succeeded" || phase === "Failed";
    const stopped = listAt(stored, "status", "containerStatuses").every((s) =>
      at(s, "state", "terminated") !== undefined || at(s, "state", "waiting") !== undefined
    );
    if (stored.metadata.deletionTimestamp !== undefined && ended && stopped) {
      await client.delete(ref, { gracePeriodSeconds: 0 });
    }
    return [done];
  } catch (error) {
    return [{ content: failure(error) }];
  }
}
