// The places where `expect`, `never` and `always` look: the API, an edge's store, a device, the messages, the metrics.
import { compileHopFilter } from "../../base/hop/filter.ts";
import { describeHop } from "../report/hop-line.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import type { StepContext } from "../model/context.ts";
import { maskedValue } from "../../protocol/message/mask.ts";
import { describeDifference, describeSecretDifference, differences, isSecret } from "../model/match.ts";
import { show } from "../files/show.ts";
import type { ObjectName } from "../model/scenario.ts";
import type { Look } from "./wait.ts";
import { noNamespace, wirePath } from "../../protocol/resource/path.ts";
import { StepFailure } from "../model/step-failure.ts";

/** The arguments that say where to look and what for. */
export interface PlaceArgs {
  readonly at: string;
  readonly object?: ObjectName;
  readonly match?: unknown;
  readonly absent?: boolean;
  readonly topic?: string;
  readonly since?: string;
  readonly where?: string;
  readonly count?: number;
  readonly min?: number;
}

/** A place, ready to be looked at. */
export interface Place {
  /** What is looked for, in words. */
  readonly what: string;
  /** Part of the resource paths of messages about it. */
  readonly about: string;
  look(): Promise<Look>;
}

/** The place that the arguments mean. Throws StepFailure where they can't be meant here. */
export function placeOf(context: StepContext, args: PlaceArgs): Place {
  const [place = "", ...rest] = args.at.split("/");
  const name = rest.join("/");
  refuseIdle(args, place);
  switch (place) {
    case "kube":
      return kubePlace(context, args);
    case "edge":
      return edgePlace(context, args, name);
    case "device":
      return devicePlace(context, args, name);
    case "mqtt":
      return mqttPlace(context, args, name);
    case "messages":
      return messagesPlace(context, args);
    case "metrics":
      return { what: "metrics", about: "", look: async () => lookAt(args, await context.environment.metrics()) };
    default:
      throw new StepFailure(
        `there is no place "${args.at}"; places are kube, edge/NAME, device/NAME, mqtt/NAME, messages and metrics`,
      );
  }
}

/** Refuses arguments that the place would ignore: such a check could pass by mistake. */
function refuseIdle(args: PlaceArgs, place: string): void {
  if (args.absent === true && args.match !== undefined) {
    throw new StepFailure("what is `absent` has nothing to `match`: leave one of the two out");
  }
  const idle = place === "messages" ? ["object", "match", "absent"] as const : ["where", "count", "min"] as const;
  for (const field of place === "mqtt" ? [...idle, "object" as const] : [...idle, "topic" as const]) {
    if (args[field] !== undefined) throw new StepFailure(`\`${field}\` means nothing with \`at: ${args.at}\``);
  }
}

function kubePlace({ environment }: StepContext, args: PlaceArgs): Place {
  const { object } = args;
  if (object === undefined) throw new StepFailure("`at: kube` needs an `object`");
  return {
    what: `${object.kind} ${object.name}${args.absent ? " is gone from the API" : " in the API"}`,
    about: object.name,
    async look() {
      const resource = await environment.kube.resourceOf(object);
      const namespace = resource.namespaced ? object.namespace ?? environment.namespace : "";
      return lookAt(args, await environment.kube.find({ resource, namespace, name: object.name }));
    },
  };
}

function edgePlace({ environment }: StepContext, args: PlaceArgs, name: string): Place {
  const edge = edgeNamed(environment.fleet.get(name), name, environment.fleet.edges());
  const { object } = args;
  if (object === undefined) {
    return { what: `edge ${name}`, about: "", look: () => Promise.resolve(lookAt(args, stateOf(edge))) };
  }
  const isOfCluster = object.kind === "Node" || object.kind === "PersistentVolume";
  const namespace = isOfCluster ? noNamespace : object.namespace ?? environment.namespace;
  const path = wirePath(namespace, object.kind.toLowerCase(), object.name);
  return {
    what: `${object.kind} ${object.name}${args.absent ? " is gone from" : " in the store of"} edge ${name}`,
    about: object.name,
    look: () => Promise.resolve(lookAt(args, edge.store.get(path))),
  };
}

/** The edge of that name. Throws StepFailure. */
export function edgeNamed(edge: Edge | undefined, name: string, all: readonly Edge[]): Edge {
  if (edge !== undefined) return edge;
  const some = all.slice(0, 5).map((e) => e.name).join(", ");
  throw new StepFailure(`there is no edge ${name}; there are ${some}${all.length > 5 ? " and others" : ""}`);
}

/** What `at: edge/NAME` without an object is matched against. */
function stateOf(edge: Edge) {
  return {
    running: edge.isRunning,
    connected: edge.hub.isConnected,
    ready: edge.isReady,
    connections: edge.hub.connections,
    renewals: edge.node.renewals,
    onTime: edge.node.isOnTime,
    problem: edge.hub.problem ?? "",
    certificates: edge.hub.certificates,
    pods: { running: edge.pods.count("running"), logs: edge.pods.allLogs() },
    devices: edge.devices.size,
    mqtt: edge.bus?.url ?? "",
    objects: edge.store.size,
    volumes: [...edge.volumes.all].map(([id, { capacity, publishedTo }]) => ({
      id,
      capacity,
      publishedTo: [...publishedTo],
    })),
  };
}

/** What an edge has published last on a topic: JSON where it is some, else the text. */
function mqttPlace({ environment }: StepContext, args: PlaceArgs, name: string): Place {
  const edge = edgeNamed(environment.fleet.get(name), name, environment.fleet.edges());
  const { bus } = edge;
  const { topic } = args;
  if (topic === undefined) throw new StepFailure("`at: mqtt/NAME` needs a `topic`");
  if (bus === undefined) throw new StepFailure(`edge ${name} has no EventBus: say mqtt: {} in its cohort`);
  return {
    what: `the last publication of edge ${name} on ${topic}${args.absent ? " is none" : ""}`,
    about: topic.split("/").at(3) ?? "",
    look: () => {
      const look = lookAt(args, payloadOf(bus.last(topic)));
      if (look.missing.length === 0) return Promise.resolve(look);
      // What there is instead: the payload, or the topics that something was published on.
      const found = look.value === undefined
        ? `published so far: ${[...bus.topics()].join(", ") || "nothing"}`
        : `it was: ${show(look.value)}`;
      return Promise.resolve({ ...look, missing: [...look.missing, found] });
    },
  };
}

function payloadOf(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function devicePlace({ environment }: StepContext, args: PlaceArgs, name: string): Place {
  const id = name.includes("/") ? name : `${environment.namespace}/${name}`;
  return {
    what: `device ${name}${args.absent ? " is gone from every edge" : ""}`,
    about: name,
    look: () => {
      const owner = environment.fleet.edges().find((edge) => edge.devices.has(id));
      return Promise.resolve(lookAt(args, owner?.devices.stateOf(id)));
    },
  };
}

function messagesPlace(context: StepContext, args: PlaceArgs): Place {
  const { environment } = context;
  const filter = compileHopFilter(args.where ?? "true");
  const from = context.since(args.since);
  return {
    what: `messages where ${args.where ?? "true"}`,
    about: "",
    look: () => {
      if (environment.hops.lost > from) {
        throw new StepFailure(
          `more than ${
            environment.hops.position - from
          } messages have passed: those since then are no longer all there`,
        );
      }
      const found = [...environment.hops.since(from)].filter(filter);
      const { count, min } = args;
      const wanted = count !== undefined ? `exactly ${count}` : `at least ${min ?? 1}`;
      const fits = count !== undefined ? found.length === count : found.length >= (min ?? 1);
      return Promise.resolve({
        value: found,
        differences: count === undefined
          ? []
          : [{ path: "count", at: ["count"], expected: count, found: found.length }],
        missing: fits ? [] : [`expected ${wanted}, found ${found.length}`, ...found.slice(-5).map(describeHop)],
      });
    },
  };
}

function lookAt({ absent, match, object }: PlaceArgs, found: unknown): Look {
  if (absent === true) return { value: found, missing: found === undefined ? [] : ["it is still there"] };
  if (found === undefined) return { value: found, missing: ["it is not there"] };
  const differing = differences(match ?? {}, found, "", ["match"]);
  const isHidden = isSecret(object) || isSecret(found as object);
  return {
    value: found,
    missing: differing.map(isHidden ? describeSecretDifference : describeDifference),
    differences: isHidden
      ? differing.map((each) => ({ ...each, expected: maskedValue, found: maskedValue }))
      : differing,
  };
}
