// A node's status: patches of today's edges, and whole statuses of older ones.
import { secondsOf } from "../../../protocol/apis/time.ts";
import { at, type KubeObject, listAt } from "../../../protocol/apis/kube-object.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { hasCode } from "../../kube/client.ts";
import { resources } from "../../kube/resource.ts";
import { reasonOf } from "../../../base/log/logger.ts";
import { emptyNode, registerNode } from "./node.ts";
import {
  contentObject,
  contentPatch,
  done,
  type EdgeAnswer,
  type EdgeRequest,
  type Handler,
  objectAnswer,
  quietly,
  type UpstreamDeps,
  versionedAnswer,
} from "./request.ts";

/** A heartbeat older than this is set to now (`edgeController.nodeUpdateFrequency`, 10 s). */
const HEARTBEAT_AGE_MS = 10_000;

/** Times that a report is written again after a conflict with another write of the Node. */
const CONFLICTS = 3;

/** `patch nodepatch/{name}`: a strategic merge patch of the status, sent on verbatim. */
export const patchNode: Handler = async ({ client }, request) => {
  const ref = { resource: resources.nodes, name: request.path.name };
  try {
    return [versionedAnswer(await client.patch(ref, "strategic", contentPatch(request), "status"))];
  } catch (error) {
    return [objectAnswer(emptyNode(), error)];
  }
};

/** `insert` or `update nodestatus/{name}`, as edges before v1.12 send it. */
export const nodeStatus: Handler = async (deps, request) => {
  if (request.operation === operations.insert) return await insertStatus(deps, request);
  if (request.operation !== operations.update) return [];
  return await quietly(() => updateStatus(deps, request));
};

async function insertStatus(deps: UpstreamDeps, request: EdgeRequest): Promise<readonly EdgeAnswer[]> {
  const { name } = request.path;
  let existing: KubeObject | undefined;
  try {
    existing = await deps.client.find({ resource: resources.nodes, name });
  } catch (error) {
    const content = `get node ${name} info error: ${reasonOf(error)} , register node failed`;
    return [{ content, type: resourceTypes.node }];
  }
  if (existing !== undefined) return [{ ...done, type: resourceTypes.node }];
  const [answer] = await registerNode(deps, request);
  const failed = (answer?.content as { Err?: { ErrStatus?: { message?: string } } } | undefined)?.Err;
  if (failed === null) return [{ ...done, type: resourceTypes.node }];
  const why = failed?.ErrStatus?.message ?? String(answer?.content);
  return [{ content: `create node ${name} error: ${why} , register node failed`, type: resourceTypes.node }];
}

/** What an edge before v1.12 reports. */
interface NodeReport {
  readonly Status?: Record<string, unknown>;
  readonly ExtendResources?: Readonly<Record<string, readonly ({ readonly name?: string } | null)[] | null>> | null;
}

/** Devices of a node, such as GPUs, are in annotations of its Node; of NVIDIA's the states too, under another name. */
function annotationsOf(extended: NonNullable<NodeReport["ExtendResources"]>): Record<string, string> {
  const annotations: Record<string, string> = {};
  for (const [name, list] of Object.entries(extended)) {
    annotations[name] = JSON.stringify(list);
    if (name !== "nvidia.com/gpu") continue;
    annotations["huawei.com/gpu-status"] = JSON.stringify(
      (list ?? []).map((gpu) => ({ id: gpu?.name, healthy: true })),
    );
  }
  return annotations;
}

/** Others write Nodes as well, cloudcore itself among them: a report that met such a write is written to the Node as it is then. */
async function updateStatus(deps: UpstreamDeps, request: EdgeRequest): Promise<readonly EdgeAnswer[]> {
  for (let conflicts = 0;; conflicts++) {
    try {
      return await writeStatus(deps, request);
    } catch (error) {
      if (!hasCode(error, 409) || conflicts === CONFLICTS) throw error;
    }
  }
}

async function writeStatus({ client, clock }: UpstreamDeps, request: EdgeRequest): Promise<readonly EdgeAnswer[]> {
  const given = contentObject(request) as unknown as NodeReport;
  const node = await client.get({ resource: resources.nodes, name: request.path.name });
  const now = clock.now();
  const conditions = (listAt(given.Status, "conditions") as Record<string, unknown>[]).map((condition) => {
    const heartbeat = Date.parse(String(condition.lastHeartbeatTime));
    if (now - heartbeat < HEARTBEAT_AGE_MS) return condition;
    return { ...condition, lastHeartbeatTime: secondsOf(now) };
  });
  const old = (node.status ?? {}) as Record<string, unknown>;
  const status = {
    ...given.Status,
    ...(conditions.length === 0 ? {} : { conditions }),
    ...(old.volumesAttached === undefined ? {} : { volumesAttached: old.volumesAttached }),
    // A port of the kubelet that is known stays: old edges report none.
    ...(at(old, "daemonEndpoints", "kubeletEndpoint", "Port") ? { daemonEndpoints: old.daemonEndpoints } : {}),
  };
  const annotations = annotationsOf(given.ExtendResources ?? {});
  const ref = { resource: resources.nodes, name: request.path.name };
  const annotated = Object.keys(annotations).length === 0
    ? node
    : await client.patch(ref, "merge", { metadata: { annotations } });
  const stored: KubeObject = await client.update(resources.nodes, { ...annotated, status }, "status");
  return [{ ...done, version: stored.metadata.resourceVersion ?? "", type: resourceTypes.node }];
}
