// Why an object is not on an edge, or that it is: from how it stands now and from what happened, with the next thing to try.
import { objectOf } from "../../base/hop/about.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import { isDrop } from "../../protocol/message/hops.ts";
import { describeObject } from "./objects.ts";
import type { Delivery, ObjectRef, Where } from "./source.ts";

/** What the answer comes down to; stable, for programs. */
export type WhyReason =
  | "delivered"
  | "store lost"
  | "still there"
  | "rightly gone"
  | "watch broken"
  | "no object"
  | "no node"
  | "wrong node"
  | "not used"
  | "certificate expired"
  | "node limit"
  | "refused"
  | "edge away"
  | "lane full"
  | "no record"
  | "not acknowledged"
  | "waits"
  | "under way"
  | "not seen";

/** The answer. */
export interface Why {
  readonly reason: WhyReason;
  /** One sentence. */
  readonly answer: string;
  /** What it is concluded from. */
  readonly evidence: readonly string[];
  /** The next thing to try; empty where nothing has to be done. */
  readonly next: string;
  /** The last hops that have to do with it, oldest first. */
  readonly hops: readonly HopRecord[];
}

/** What the answer is made from. */
export interface WhyFacts {
  readonly ref: ObjectRef;
  readonly node: string;
  readonly where: Where;
  /** Hops about the object, and connections of the edge, oldest first. */
  readonly history: readonly HopRecord[];
  /** Unix milliseconds. */
  readonly now: number;
}

type Verdict = Omit<Why, "hops">;

const LAST_HOPS = 12;

/** The first rule that has something to say decides; they go from the API to the edge's store. */
export function explain(facts: WhyFacts): Why {
  const delivery = facts.where.deliveries.find(({ node }) => node === facts.node) ?? { node: facts.node };
  const verdict = rules.values().map((rule) => rule(facts, delivery)).find((found) => found !== undefined) ??
    unknown(facts);
  return { ...verdict, hops: relevant(facts).slice(-LAST_HOPS) };
}

const rules: readonly ((facts: WhyFacts, delivery: Delivery) => Verdict | undefined)[] = [
  watchBroken,
  proxied,
  unseenCloud,
  noObject,
  noNode,
  unwanted,
  away,
  acknowledged,
  inLane,
  laneFull,
  notAskedYet,
];

function watchBroken({ ref, where }: WhyFacts): Verdict | undefined {
  if (where.watchProblem === undefined) return undefined;
  return {
    reason: "watch broken",
    answer: `cloudcore does not see changes of ${ref.kind}s at the moment: its watch of the API is broken`,
    evidence: [where.watchProblem],
    next: "check that cloudcore reaches the API server and may list and watch the kind; it goes on by itself then",
  };
}

/** Neither end is seen, but what passed between them. */
function proxied({ history, node, ref, where }: WhyFacts): Verdict | undefined {
  if (where.hasCloud || !history.some(({ hop }) => hop.startsWith("proxy."))) return undefined;
  const ofNode = history.filter((hop) => hop.node === node);
  const what = describeObject(ref);
  // An answer to the edge's own request, such as a patch of the pod's status, is not acknowledged.
  const last = ofNode.findLast((hop) =>
    (hop.hop === "proxy.down" || hop.hop === "proxy.drop") && isAbout(hop, ref) && hop.direction === "down" &&
    hop.operation !== "response"
  );
  const connection = ofNode.findLast(({ hop }) => hop === "proxy.connect" || hop === "proxy.disconnect");
  if (last === undefined) {
    if (connection === undefined) return undefined;
    if (connection.hop === "proxy.disconnect") return awayOf(node, connection.outcome, [connection.outcome], []);
    return {
      reason: "not seen",
      answer: `cloudcore has sent nothing of ${what} to ${node} since this proxy has been between them`,
      evidence: [`${node} is connected`],
      next: "check that a pod of the edge uses it, or that it is bound there: cloudcore alone decides what it sends",
    };
  }
  const about = last.version === "" ? last.operation : `${last.operation} at version ${last.version}`;
  if (last.hop === "proxy.drop") {
    return {
      reason: "edge away",
      answer: `${what} did not get through to ${node}: this proxy dropped it`,
      evidence: [last.outcome],
      next: "heal the link: the console's button, or the step fault: { edge: NAME, heal: true }",
    };
  }
  const isAcked = ofNode.some((hop) => hop.hop === "proxy.up" && hop.parent === last.id);
  return {
    reason: isAcked ? "delivered" : "not acknowledged",
    answer: isAcked
      ? `${what} went to ${node} (${about}), which acknowledged it`
      : `${what} went to ${node} (${about}), which has not acknowledged it`,
    evidence: ["neither the API nor the edge's store can be seen from a proxy"],
    next: isAcked
      ? "compare the version with the API's: kubectl get with -o yaml"
      : "look at the edge's log: it may be overloaded, or half-open",
  };
}

/** Only the edge is seen: a foreign cloudcore, or one that runs elsewhere. */
function unseenCloud(facts: WhyFacts, { edge }: Delivery): Verdict | undefined {
  const { node, ref, where } = facts;
  if (where.hasCloud) return undefined;
  if (edge === undefined) return unknown(facts);
  const what = describeObject(ref);
  if (edge.held !== undefined) {
    return {
      reason: "delivered",
      answer: `${what} is in the store of ${node}, at version ${edge.held}`,
      evidence: ["cloudcore can't be seen from here: whether that is the API's version is not known"],
      next: "compare with `kubectl get` and its resourceVersion",
    };
  }
  if (!edge.summary.isConnected) return awayOf(node, edge.summary.problem, [], edge.faults);
  return {
    reason: "not seen",
    answer: `${what} has not reached ${node}; cloudcore can't be seen from here`,
    evidence: ["the edge is connected, and its store does not have the object"],
    next: "ask where cloudcore runs, or put `skep proxy` between the two",
  };
}

function noObject({ node, ref, where }: WhyFacts, { edge }: Delivery): Verdict | undefined {
  if (where.object !== undefined) return undefined;
  const what = describeObject(ref);
  if (edge?.held !== undefined) {
    return {
      reason: "still there",
      answer: `${what} is deleted in the API, and ${node} still holds version ${edge.held}`,
      evidence: connectionOf(edge),
      next: edge.summary.isConnected
        ? "wait for the next resync; if it stays, look at the edge's log"
        : "it is told when it connects again",
    };
  }
  return {
    reason: "no object",
    answer: `there is no ${what} in the API that cloudcore watches`,
    evidence: [],
    next: `check the name and the namespace: kubectl get ${ref.kind} -A`,
  };
}

function noNode({ node, where }: WhyFacts, { cloud, edge }: Delivery): Verdict | undefined {
  if (cloud === undefined || cloud.node.isKnown) return undefined;
  if (where.object?.kind !== "pod" && cloud.node.isConnected) return undefined;
  // A refusal says more than that its Node is missing, which follows from it.
  if (cloud.node.departure?.what === "refused") return undefined;
  return {
    reason: "no node",
    answer: `there is no Node ${node} with the label of edge nodes`,
    evidence: edge === undefined ? [] : connectionOf(edge),
    next: "check the edge's name; an edge registers its Node at its first connection, if cloudcore may create Nodes",
  };
}

function unwanted({ node, ref, where: { object } }: WhyFacts, { cloud, edge }: Delivery): Verdict | undefined {
  if (object === undefined || cloud === undefined || cloud.isWanted) return undefined;
  const what = describeObject(ref);
  const holds = edge?.held !== undefined || (cloud.acknowledged ?? "") !== "";
  const evidence = holds ? [`${node} still holds it, and is sent its deletion`] : [];
  if (ref.kind === "pod" || ref.kind === "device" || ref.kind === "node") {
    const isBound = object.nodeName !== "";
    return {
      reason: "wrong node",
      answer: `${what} is not for ${node}: ${cloud.reason}`,
      evidence,
      next: isBound || ref.kind === "node"
        ? `look there: skep tap --why ${ref.kind}/${
          ref.namespace === "" ? "" : `${ref.namespace}/`
        }${ref.name} --edge ${object.nodeName || ref.name}`
        : ref.kind === "pod"
        ? "bind it: a scheduler has not found a node for it; kubectl describe pod says why"
        : "set spec.nodeName of the device",
    };
  }
  return {
    reason: "not used",
    answer: `${node} is not sent ${what}: ${cloud.reason}`,
    evidence,
    next: ref.kind === "devicemodel"
      ? `bind a device of this model to ${node}`
      : `cloudcore sends a ${ref.kind} only to edges whose pods use it: check nodeName, volumes, env and envFrom of the pod`,
  };
}

function away({ node, now }: WhyFacts, { cloud, edge }: Delivery): Verdict | undefined {
  if (cloud === undefined || cloud.node.isConnected) return undefined;
  const { departure } = cloud.node;
  const when = departure === undefined ? "" : ` ${ago(now - departure.at)} ago`;
  const problem = edge?.summary.problem ?? "";
  const evidence = [
    ...(departure === undefined
      ? ["it has not connected to this cloudcore since that started"]
      : [`the hub ${departure.what === "refused" ? "refused it" : "lost it"}${when}: ${departure.reason}`]),
    ...(problem === "" ? [] : [`the edge says: ${problem}`]),
  ];
  return awayOf(
    node,
    `${departure?.what === "refused" ? departure.reason : ""}\n${problem}`,
    evidence,
    edge?.faults ?? [],
  );
}

/** `why`: whatever either end said. */
function awayOf(node: string, why: string, evidence: readonly string[], faults: readonly string[]): Verdict {
  const all = [...evidence, ...(faults.length === 0 ? [] : [`a fault is on its link: ${faults.join(", ")}`])];
  if (/expired/i.test(why)) {
    return {
      reason: "certificate expired",
      answer: `${node} can't connect: its certificate has expired`,
      evidence: all,
      next:
        "remove the edge's certificate files and restart it with a fresh token, so that it enrols again; check its clock, too",
    };
  }
  if (/limit of \d+ connected nodes/.test(why)) {
    return {
      reason: "node limit",
      answer: `cloudcore refuses ${node}: its limit of connected nodes is reached`,
      evidence: all,
      next:
        "raise modules.cloudHub.nodeLimit in cloudcore.yaml (--node-limit), or serve some edges with another cloudcore",
    };
  }
  if (/certificate|node_id|enrol|403|400/i.test(why)) {
    return {
      reason: "refused",
      answer: `cloudcore refuses ${node}`,
      evidence: all,
      next: "correct what the reason names; `skep doctor` walks through the steps of a connection",
    };
  }
  return {
    reason: "edge away",
    answer: `${node} is not connected; it will be resynced when it connects`,
    evidence: all,
    next: "look at the edge: is it running, does it reach the hub's port?",
  };
}

function acknowledged({ node, ref, where: { object } }: WhyFacts, { cloud, edge }: Delivery): Verdict | undefined {
  if (object === undefined || cloud?.isUpToDate !== true || cloud.lane !== undefined) return undefined;
  const what = describeObject(ref);
  if (edge !== undefined && edge.held === undefined) {
    return {
      reason: "store lost",
      answer: `${node} acknowledged ${what} at version ${cloud.acknowledged}, and does not have it any more`,
      evidence: ["its sync record says that it holds it, so nothing is sent"],
      next: `have everything sent again: skep cloudcore resync ${node}`,
    };
  }
  return {
    reason: "delivered",
    answer: `${what} is on ${node}: it acknowledged version ${cloud.acknowledged}, and the API has none that is newer`,
    evidence: [
      `the API's version is ${object.version}`,
      ...(edge?.held === undefined ? [] : [`the edge's store has version ${edge.held}`]),
    ],
    next:
      "if a change of yours is missing, it did not change this object: check the namespace, and the resourceVersion before and after",
  };
}

function inLane({ history, node, ref }: WhyFacts, { cloud, edge }: Delivery): Verdict | undefined {
  const lane = cloud?.lane;
  if (lane === undefined || cloud === undefined) return undefined;
  const what = describeObject(ref);
  const about = lane.version === "" ? "its deletion" : `version ${lane.version}`;
  if (lane.isInFlight) {
    const isRead = history.some((hop) => hop.node === node && hop.hop === "edge.read" && hop.id === lane.id);
    return {
      reason: "not acknowledged",
      answer: `${node} has not acknowledged ${what}: ${about} was written ${times(lane.attempts)}, first ${
        ago(lane.writtenFor)
      } ago`,
      evidence: [
        ...(edge === undefined
          ? []
          : [isRead ? "the edge has read it" : "the edge has not read it", ...faultsOf(edge)]),
        `${cloud.node.unacked} messages to it are unacknowledged`,
      ],
      next: "look at the edge's log: it may be overloaded, or the link may be half-open; cloudcore goes on sending it",
    };
  }
  if (!lane.isRecorded) {
    return {
      reason: "no record",
      answer: `${what} waits for its sync record, which the API has not created in ${ago(lane.age)}`,
      evidence: [],
      next:
        "check that the API answers and that cloudcore may create objectsyncs.reliablesyncs.kubeedge.io; its log says why not",
    };
  }
  return {
    reason: "waits",
    answer: `${what} waits in the lane of ${node} since ${ago(lane.age)}`,
    evidence: [
      `${cloud.node.unacked} messages before it are not acknowledged, the oldest since ${ago(cloud.node.oldest)}`,
      `${cloud.node.waiting} messages wait`,
      ...(edge === undefined ? [] : faultsOf(edge)),
    ],
    next: "look at what is not acknowledged: skep tap --edge " + node + " --down",
  };
}

function laneFull({ history, node, ref }: WhyFacts, { cloud }: Delivery): Verdict | undefined {
  if (cloud === undefined || !cloud.node.needsResync) return undefined;
  const dropped = history.findLast((hop) => hop.node === node && hop.hop === "hub.drop");
  return {
    reason: "lane full",
    answer: `${describeObject(ref)} did not fit into the lane of ${node}; it is resynced when half of the lane is free`,
    evidence: [
      `${cloud.node.waiting} messages wait, ${cloud.node.unacked} are not acknowledged, the oldest since ${
        ago(cloud.node.oldest)
      }`,
      ...(dropped === undefined ? [] : [dropped.outcome]),
    ],
    next: "look at why the edge acknowledges so slowly: its log, its link, the number of objects sent to it",
  };
}

function notAskedYet({ node, ref }: WhyFacts, { cloud }: Delivery): Verdict | undefined {
  if (cloud === undefined || !cloud.isWanted || !cloud.node.isConnected) return undefined;
  const isReferenced = ref.kind === "configmap" || ref.kind === "secret";
  return {
    reason: "under way",
    answer: `${describeObject(ref)} is for ${node} and has not been delivered yet`,
    evidence: [
      cloud.reason,
      (cloud.acknowledged ?? "") === ""
        ? "no version was acknowledged"
        : `version ${cloud.acknowledged} was acknowledged`,
    ],
    next: isReferenced && (cloud.acknowledged ?? "") === ""
      ? "the edge asks for it when it starts the pod: look at the pod on the edge"
      : "wait a moment and ask again; the hops below show how far it has come",
  };
}

function unknown({ node, ref }: WhyFacts): Verdict {
  return {
    reason: "not seen",
    answer: `nothing is known here of ${describeObject(ref)} and ${node}`,
    evidence: [],
    next: "ask a skep that runs the cloudcore or the edge: `skep tap` lists what runs in this folder",
  };
}

/** Hops of the object to this edge or to nobody, and the edge's connections. */
function relevant({ history, node, ref }: WhyFacts): HopRecord[] {
  return history.filter((hop) => {
    if (hop.resource === "") return hop.node === node;
    return isAbout(hop, ref) &&
      (hop.node === node ||
        (hop.node === "" && (isDrop(hop.hop) || hop.hop.startsWith("kube.") || hop.hop.startsWith("controller."))));
  });
}

function isAbout({ resource }: HopRecord, ref: ObjectRef): boolean {
  const { kind, name, namespace } = objectOf(resource);
  return kind === ref.kind && name === ref.name && (namespace === ref.namespace || namespace === "");
}

function connectionOf({ faults, summary }: NonNullable<Delivery["edge"]>): string[] {
  const state = summary.isConnected ? "the edge is connected" : `the edge is not connected: ${summary.problem}`;
  return [state, ...(faults.length === 0 ? [] : [`a fault is on its link: ${faults.join(", ")}`])];
}

function faultsOf({ faults }: NonNullable<Delivery["edge"]>): string[] {
  return faults.length === 0 ? [] : [`a fault is on its link: ${faults.join(", ")}`];
}

function times(n: number): string {
  return n === 1 ? "once" : `${n} times`;
}

/** A duration in the largest unit that fits. */
export function ago(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
