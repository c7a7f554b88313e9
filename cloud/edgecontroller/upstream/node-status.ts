// A node's status: patches of today's edges, and whole statuses of older ones.
import { secondsOf } from "../../../protocol/apis/time.ts";
import { type KubeObject, listAt } from "../../../protocol/apis/kube-object.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import { registerNode } from "./node.ts";
import {
  contentObject,
  contentPatch,
  done,
  type EdgeAnswer,
  type EdgeRequest,
  type Handler,
  objectAnswer,
  quietly,
  type UpstreamWorld,
  versionedAnswer,
} from "./request.ts";

/** A heartbeat older than this is set to now (`edgeController.nodeUpdateFrequency`, 10 s). */
const HEARTBEAT_AGE_MS = 10_000;

/** `patch nodepatch/{name}`: a strategic merge patch of the status, sent on verbatim. */
export const patchNode: Handler = async ({ client }, request) => {
  const ref = { resource: resources.nodes, name: request.path.name };
  try {
    return [versionedAnswer(await client.patch(ref, "strategic", contentPatch(request), "status"))];
  } catch (error) {
    return [objectAnswer(null, error)];
  }
};

/** `insert` or `update nodestatus/{name}`, as edges before v1.12 send it. */
export const nodeStatus: Handler = async (world, request) => {
  if (request.operation === operations.insert) return await insertStatus(world, request);
  if (request.operation !== operations.update) return [];
  return await quietly(() => updateStatus(world, request));
};

async function insertStatus(world: UpstreamWorld, request: EdgeRequest): Promise<readonly EdgeAnswer[]> {
  const { name } = request.path;
  const existing = await world.client.find({ resource: resources.nodes, name });
  if (existing !== undefined) return [{ ...done, type: resourceTypes.node }];
  const [answer] = await registerNode(world, request);
  const failed = (answer?.content as { Err?: { ErrStatus?: { message?: string } } } | undefined)?.Err;
  if (failed === null) return [{ ...done, type: resourceTypes.node }];
  const why = failed?.ErrStatus?.message ?? String(answer?.content);
  return [{ content: `create node ${name} error: ${why} , register node failed`, type: resourceTypes.node }];
}

async function updateStatus({ client, clock }: UpstreamWorld, request: EdgeRequest): Promise<readonly EdgeAnswer[]> {
  const given = contentObject(request) as unknown as { readonly Status?: Record<string, unknown> };
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
    ...(old.daemonEndpoints === undefined ? {} : { daemonEndpoints: old.daemonEndpoints }),
  };
  const stored: KubeObject = await client.update(resources.nodes, { ...node, status }, "status");
  return [{ ...done, version: stored.metadata.resourceVersion ?? "", type: resourceTypes.node }];
}
