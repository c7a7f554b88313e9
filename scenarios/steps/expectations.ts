// Steps that look: expect, never, always.
import { compileHopFilter } from "../../base/hop/filter.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import { sleep } from "../../base/time/clock.ts";
import { describeHop } from "../report/hop-line.ts";
import { type PlaceArgs, placeOf } from "../checks/place.ts";
import type { StepContext } from "../model/context.ts";
import { milliseconds } from "../files/duration.ts";
import { holdsFor, waitFor } from "../checks/wait.ts";
import { type Schema, schemas } from "../files/schemas.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";
import type { Capability } from "../model/capabilities.ts";

const placeProperties = {
  at: {
    type: "string",
    pattern: "^(kube|messages|metrics|edge/.+|device/.+|mqtt/.+)$",
    description: "kube, edge/NAME, device/NAME, mqtt/NAME, messages or metrics",
  },
  object: schemas.objectName,
  match: {
    description: 'fields that must be there; { $matches: "…" } is a regular expression, { $length: 3 } a length',
  },
  absent: { const: true },
  topic: { type: "string", description: "with `at: mqtt/NAME`: what the edge has published last on this topic" },
  since: { type: "string", description: "the id of an earlier step; messages count from its beginning" },
  where: { type: "string", description: "CEL over the fields of a hop record" },
  count: { type: "integer", minimum: 0 },
  min: { type: "integer", minimum: 1 },
} as const satisfies Record<string, Schema>;

/** What a target must show so that one can look there. */
function needsOfPlace({ at, where = "" }: PlaceArgs): readonly Capability[] {
  switch (at.split("/")[0]) {
    case "kube":
      return [];
    case "metrics":
      return ["cloud-metrics"];
    case "messages":
      return /"(kube|controller|bus|hub)\./.test(where) ? ["cloud-messages"] : ["edge-messages"];
    default:
      return ["edge-stores"];
  }
}

/** What the step takes. */
export interface ExpectArgs extends PlaceArgs {
  readonly within?: string;
  readonly settle?: string;
}

export const expectStep = {
  name: "expect",
  summary: "Waits until something is so; with `settle` it must then stay so.",
  schema: {
    type: "object",
    required: ["at"],
    additionalProperties: false,
    properties: { ...placeProperties, within: schemas.duration, settle: schemas.duration },
  },
  needs: needsOfPlace,
  async run(context: StepContext, args: ExpectArgs) {
    const place = placeOf(context, args);
    const value = await waitFor(context, context.within(args.within), place.what, place.about, () => place.look());
    if (args.settle !== undefined) {
      await holdsFor(context, milliseconds(args.settle), place.what, place.about, () => place.look());
    }
    return value;
  },
} as const satisfies StepKind;

/** What the step takes. */
export interface HoldArgs extends PlaceArgs {
  readonly for: string;
  readonly scaled?: boolean;
}

/** Milliseconds for which it must hold. */
function timeOf({ environment: { timeScale } }: StepContext, { for: length, scaled = false }: HoldArgs): number {
  return milliseconds(length) / (scaled ? timeScale : 1);
}

const holdSchema: Schema = {
  type: "object",
  required: ["at", "for"],
  additionalProperties: false,
  properties: {
    ...placeProperties,
    for: schemas.duration,
    scaled: {
      type: "boolean",
      description: "`for` is KubeEdge's own time: it is divided by the target's time scale. Default: false",
    },
  },
};

export const neverStep = {
  name: "never",
  summary: "Something is not so, for a time.",
  schema: holdSchema,
  needs: needsOfPlace,
  async run(context: StepContext, args: HoldArgs) {
    if (args.at === "messages") return await neverMessages(context, args);
    const place = placeOf(context, args);
    await holdsFor(context, timeOf(context, args), `never: ${place.what}`, place.about, async () => {
      const { missing } = await place.look();
      return { missing: missing.length > 0 ? [] : ["it is so"] };
    });
  },
} as const satisfies StepKind;

/** Messages are noticed as they pass, so that none slips through between two looks. */
async function neverMessages(context: StepContext, args: HoldArgs): Promise<void> {
  const { clock, hops } = context.environment;
  const filter = compileHopFilter(args.where ?? "true");
  const found: HopRecord[] = [...hops.since(context.since(args.since))].filter(filter);
  const stop = hops.listen((record) => {
    if (filter(record)) found.push(record);
  });
  try {
    await sleep(clock, timeOf(context, args), context.signal);
  } finally {
    stop();
  }
  if (found.length === 0) return;
  throw new StepFailure(
    `never: messages where ${args.where ?? "true"} — found ${found.length}`,
    found.slice(0, 5).map(describeHop),
  );
}

export const alwaysStep = {
  name: "always",
  summary: "Something is so, and stays so for a time.",
  schema: holdSchema,
  needs: needsOfPlace,
  async run(context: StepContext, args: HoldArgs) {
    const place = placeOf(context, args);
    await holdsFor(context, timeOf(context, args), `always: ${place.what}`, place.about, () => place.look());
  },
} as const satisfies StepKind;
