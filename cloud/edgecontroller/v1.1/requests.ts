// What a node of KubeEdge v1.1 may ask, and what it is answered: less than today's (KubeEdge v1.1 `cloud/pkg/edgecontroller/controller/upstream.go`).
import type { UpstreamChannel } from "../../../protocol/apis/cloudcore-config.ts";
import { at } from "../../../protocol/apis/kube-object.ts";
import { resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import { annotateNode, queryNode } from "../upstream/node.ts";
import { nodeStatus } from "../upstream/node-status.ts";
import { podStatusOfV11 } from "../upstream/pod.ts";
import {
  liveQuerier,
  queryConfigMap,
  querySecret,
  queryVolume,
  queryVolumeAttachment,
  queryVolumeClaim,
} from "../upstream/query.ts";
import type { EdgeAnswer, Handler } from "../upstream/request.ts";

type Row = readonly [handler: Handler, channel: UpstreamChannel];

/** Only what is found is answered: an error would be stored as the object. The edge gives up after a minute. */
function ifFound(handler: Handler): Handler {
  const isError = ({ content }: EdgeAnswer) => at(content, "ErrStatus") !== undefined;
  return async (deps, request) => (await handler(deps, request)).filter((answer) => !isError(answer));
}

/** Drops answers and sends only messages without a parent: a late answer would be stored as the pod's status. */
function unanswered(handler: Handler): Handler {
  return async (deps, request) => (await handler(deps, request)).filter(({ operation }) => operation !== undefined);
}

/** By resource type and operation. Services and endpoints share the workers of configmaps: today's file has no keys for them. */
export const tableOfV11: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  [resourceTypes.nodestatus]: { update: [nodeStatus, "nodeStatus"] },
  [resourceTypes.podstatus]: { update: [unanswered(podStatusOfV11), "podStatus"] },
  [resourceTypes.node]: { query: [ifFound(queryNode), "queryNode"], update: [annotateNode, "updateNode"] },
  [resourceTypes.configmap]: { query: [ifFound(queryConfigMap), "configMap"] },
  [resourceTypes.secret]: { query: [ifFound(querySecret), "secret"] },
  [resourceTypes.service]: { query: [ifFound(liveQuerier(resources.services)), "configMap"] },
  [resourceTypes.endpoints]: { query: [ifFound(liveQuerier(resources.endpoints)), "configMap"] },
  [resourceTypes.persistentvolume]: { query: [ifFound(queryVolume), "persistentVolume"] },
  [resourceTypes.persistentvolumeclaim]: { query: [ifFound(queryVolumeClaim), "persistentVolumeClaim"] },
  [resourceTypes.volumeattachment]: { query: [ifFound(queryVolumeAttachment), "volumeAttachment"] },
};
