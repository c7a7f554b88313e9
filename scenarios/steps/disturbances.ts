// Steps that disturb: edges that stop and come, links that break, parts that are restarted.
import type { ApiFault } from "../../cloud/apiserver/http/faults.ts";
import type { Link } from "../../base/link/link.ts";
import { sleep } from "../../base/time/clock.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import { edgeNamed } from "../checks/place.ts";
import type { StepContext } from "../model/context.ts";
import { milliseconds } from "../files/duration.ts";
import { faultKinds, faultProperties, type FaultWords, putFault } from "../files/faults.ts";
import { schemas } from "../files/schemas.ts";
import type { Environment } from "../model/environment.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";

/** What the step takes. */
export interface EdgeArgs {
  readonly stop?: string;
  readonly start?: string;
  readonly restart?: string;
  readonly join?: string;
  readonly full?: string;
  readonly free?: string;
  readonly store?: "keep" | "forget";
  readonly certificateOf?: string;
  readonly token?: string;
  readonly node?: string;
  readonly farewell?: boolean;
}

export const edgeStep = {
  name: "edge",
  summary: "An edge stops, starts, restarts (with or without its store), or a new one joins; or its disk is full.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      stop: { type: "string", description: "the edge's name; it disconnects without a close frame" },
      start: { type: "string" },
      restart: { type: "string" },
      join: { type: "string", description: "a name that is not there yet" },
      full: {
        type: "string",
        description: "its disk is full: what the cloud sends it can't be stored, nor acknowledged",
      },
      free: { type: "string", description: "its disk has room again" },
      store: {
        enum: ["keep", "forget"],
        description: "whether what the edge had stored outlives the stop. Default: keep",
      },
      certificateOf: { type: "string", description: "with join: the edge whose certificate the new one shows" },
      token: { type: "string", description: "with join: the bootstrap token it uses instead of the right one" },
      node: { type: "string", description: "with join: the node name it connects with. Default: its own" },
      farewell: {
        type: "boolean",
        description: "with stop: it ends as edgecore on SIGTERM, not as at a power failure",
      },
    },
    oneOf: ["stop", "start", "restart", "join", "full", "free"].map((what) => ({ required: [what] })),
  },
  needs: () => ["edge-control"],
  async run(context: StepContext, args: EdgeArgs) {
    const { fleet } = context.environment;
    if (args.join !== undefined) {
      if (fleet.get(args.join) !== undefined) throw new StepFailure(`there is an edge "${args.join}" already`);
      const { certificateOf, node, token } = args;
      await context.environment.join(args.join, {
        ...(certificateOf === undefined ? {} : { certificateOf }),
        ...(token === undefined ? {} : { token }),
        ...(node === undefined ? {} : { node }),
      });
      return;
    }
    const name = args.stop ?? args.start ?? args.restart ?? args.full ?? args.free ?? "";
    const edge = edgeNamed(fleet.get(name), name, fleet.edges());
    if (args.full !== undefined || args.free !== undefined) {
      edge.store.isFull = args.full !== undefined;
      return;
    }
    if (args.start === undefined) {
      await edge.stop({ forget: args.store === "forget", farewell: args.farewell === true });
    }
    if (args.stop === undefined) edge.start();
  },
} as const satisfies StepKind;

/** What the step takes. */
export interface FaultArgs extends FaultWords {
  readonly edge?: string;
  readonly cohort?: string;
  readonly wait?: boolean;
}

export const faultStep = {
  name: "fault",
  summary: "Makes an edge's link bad, for a time or until it is healed.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      edge: { type: "string" },
      cohort: { type: "string", description: "instead of edge: all edges of it at once" },
      ...faultProperties,
      wait: { type: "boolean", description: "whether the step ends only with the fault. Default: false" },
    },
    anyOf: faultKinds.map((kind) => ({ required: [kind] })),
    oneOf: [{ required: ["edge"] }, { required: ["cohort"] }],
  },
  needs: () => ["link-faults"],
  async run(context: StepContext, args: FaultArgs) {
    const over = putFault(linksOf(context, args), args, context.environment.clock, context.signal);
    if (over !== undefined) await waitedFor(over, args.wait === true, context);
  },
} as const satisfies StepKind;

/** A step ends with its work, or leaves it to go on in the background. */
async function waitedFor(work: Promise<void>, isWaited: boolean, { background }: StepContext): Promise<void> {
  if (isWaited) await work;
  else background(work);
}

function linksOf({ environment }: StepContext, { cohort, edge: name = "" }: FaultArgs): Link[] {
  const { fleet } = environment;
  if (cohort === undefined) return [edgeNamed(fleet.get(name), name, fleet.edges()).link];
  return cohortNamed(environment, "fault", cohort).map(({ link }) => link);
}

function cohortNamed({ fleet }: Environment, step: string, cohort = ""): readonly Edge[] {
  const edges = fleet.cohort(cohort);
  if (edges.length === 0) throw new StepFailure(`${step}: there is no cohort "${cohort}"`);
  return edges;
}

/** What the step takes. */
export interface ApiserverArgs {
  readonly answer?: ApiFault["answer"];
  readonly loseAnswers?: boolean;
  readonly latency?: string;
  readonly dropWatches?: string;
  readonly share?: number;
  readonly resources?: readonly string[];
  readonly heal?: true;
  readonly for?: string;
  readonly wait?: boolean;
}

export const apiserverStep = {
  name: "apiserver",
  summary:
    "Makes the API server fail for cloudcore and all others but the scenario itself, for a time or until it is healed.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      answer: { enum: [409, 410, 429, 500, 503], description: "what requests are refused with" },
      loseAnswers: { type: "boolean", description: "writes are done, and the connection ends without an answer" },
      latency: { ...schemas.duration, description: "before each request is carried out" },
      dropWatches: {
        ...schemas.duration,
        description: "watches end so long after they have begun; those that are open, from now",
      },
      share: { type: "number", minimum: 0, maximum: 1, description: "of the requests, at random. Default: 1" },
      resources: {
        type: "array",
        items: { type: "string" },
        description: "as in paths: pods, objectsyncs. Default: all",
      },
      heal: { const: true },
      for: { ...schemas.duration, description: "this fault ends after so long, and no other with it" },
      wait: { type: "boolean", description: "whether the step ends only with the fault. Default: false" },
    },
    anyOf: ["answer", "loseAnswers", "latency", "dropWatches", "heal"].map((kind) => ({ required: [kind] })),
  },
  needs: () => ["apiserver-faults"],
  async run(context: StepContext, args: ApiserverArgs) {
    const { environment, signal } = context;
    const { dropWatches, for: length, heal, latency, wait, ...words } = args;
    if (heal) return void environment.disturbApiserver();
    const end = environment.disturbApiserver({
      ...words as Omit<ApiFault, "latency" | "dropWatches">,
      ...(latency === undefined ? {} : { latency: milliseconds(latency) }),
      ...(dropWatches === undefined ? {} : { dropWatches: milliseconds(dropWatches) }),
    });
    if (length === undefined) return;
    const over = sleep(environment.clock, milliseconds(length), signal).finally(end);
    await waitedFor(over, wait === true, context);
  },
} as const satisfies StepKind;

/** What the step takes. */
export interface ClockArgs {
  readonly edge?: string;
  readonly cohort?: string;
  readonly what?: "cloudcore" | "apiserver";
  readonly forward?: string;
  readonly back?: string;
}

export const clockStep = {
  name: "clock",
  summary: "Sets the clock of an edge, of cloudcore or of the API server forwards or back; timers go on as they were.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      edge: { type: "string" },
      cohort: { type: "string", description: "instead of edge: all edges of it" },
      what: { enum: ["cloudcore", "apiserver"], description: "instead of edge" },
      forward: schemas.duration,
      back: schemas.duration,
    },
    allOf: [
      { oneOf: [{ required: ["edge"] }, { required: ["cohort"] }, { required: ["what"] }] },
      { oneOf: [{ required: ["forward"] }, { required: ["back"] }] },
    ],
  },
  needs: ({ what }: ClockArgs) => [what === undefined ? "edge-control" : "clock-steps"],
  run({ environment }: StepContext, { back, cohort, edge, forward, what }: ClockArgs) {
    const by = forward === undefined ? -milliseconds(back ?? "0s") : milliseconds(forward);
    if (what !== undefined) environment.stepClock(what, by);
    else if (edge !== undefined) environment.stepClock({ edge }, by);
    else for (const { name } of cohortNamed(environment, "clock", cohort)) environment.stepClock({ edge: name }, by);
    return Promise.resolve();
  },
} as const satisfies StepKind;

/** What the step takes. */
export interface RestartArgs {
  readonly what: "cloudcore" | "apiserver";
  readonly replica?: number;
  readonly frozen?: string;
  readonly down?: string;
  readonly wait?: boolean;
  readonly kill?: boolean;
}

export const restartStep = {
  name: "restart",
  summary: "Stops a part of the cloud and starts it again.",
  schema: {
    anyOf: [
      { enum: ["cloudcore", "apiserver"] },
      {
        type: "object",
        required: ["what"],
        additionalProperties: false,
        properties: {
          what: { enum: ["cloudcore", "apiserver"] },
          kill: {
            type: "boolean",
            description: "SIGKILL instead of a stop; for a cloudcore with a process of its own",
          },
          replica: { type: "integer", minimum: 0, description: "which of several cloudcores, from 0 on. Default: all" },
          frozen: {
            ...schemas.duration,
            description:
              "instead: it stops working for so long (SIGSTOP), keeps its connections, and goes on; for a cloudcore with a process of its own",
          },
          down: { ...schemas.duration, description: "how long it stays away" },
          wait: {
            type: "boolean",
            description: "whether the step ends only when it is back. Default: true",
          },
        },
      },
    ],
  },
  needs: (args: RestartArgs | RestartArgs["what"]) => {
    const { what, frozen, kill = false } = typeof args === "string" ? { what: args } : args;
    const isHard = kill || frozen !== undefined;
    return [what === "apiserver" ? "apiserver-restart" : isHard ? "cloudcore-kill" : "cloudcore-restart"];
  },
  async run(context: StepContext, args: RestartArgs | RestartArgs["what"]) {
    const { what, down = "0ms", frozen, wait = true, kill = false, replica } = typeof args === "string"
      ? { what: args }
      : args;
    const { signal, environment } = context;
    if (what === "apiserver") {
      const word = typeof args === "string"
        ? undefined
        : (["kill", "down", "wait", "frozen", "replica"] as const).find((w) => w in args);
      if (word !== undefined) throw new StepFailure(`restart: the API server restarts at once; leave \`${word}\` out`);
      return await environment.restartApiserver();
    }
    if (frozen !== undefined) {
      environment.freezeCloudcore(true, replica);
      const thawed = sleep(environment.clock, milliseconds(frozen), signal).catch(() => {}).then(() =>
        environment.freezeCloudcore(false, replica)
      );
      return await waitedFor(thawed, wait, context);
    }
    await environment.stopCloudcore(kill, replica);
    // It comes back also when the scenario has failed meanwhile, then at once: the next step of `finally` needs it.
    const back = sleep(environment.clock, milliseconds(down), signal).catch(() => {}).then(() =>
      environment.startCloudcore(replica)
    );
    await waitedFor(back, wait, context);
  },
} as const satisfies StepKind;
