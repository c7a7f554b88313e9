// The format of a scenario as JSON Schema: what the parser checks by and what editors complete by.
import { type Schema, schemas } from "../files/schemas.ts";
import type { StepTable } from "../model/step-kind.ts";
import { count, fleet } from "../cohorts/schema.ts";
import { capabilities } from "../model/capabilities.ts";

/** The words any step may carry beside its own. */
export const stepWords = {
  name: { type: "string", description: "what the report calls the step" },
  id: { type: "string", pattern: "^\\w+$", description: "what `since` refers to" },
  if: { type: "string", description: "CEL over the variables; the step is left out where it is false" },
  timeout: schemas.duration,
  each: { type: "string", description: "a cohort: the step runs once for each of its edges, $EDGE" },
  as: {
    type: "object",
    additionalProperties: { type: "string" },
    description: "keeps values of the step's outcome: { uid: metadata.uid } is then $uid",
  },
} as const satisfies Record<string, Schema>;

/** The fields of a scenario. Steps are checked one by one, since that gives better errors than `anyOf` does. */
export const scenarioSchema: Schema = {
  type: "object",
  required: ["skep", "name", "steps"],
  additionalProperties: false,
  properties: {
    skep: { const: 1, description: "the version of the format" },
    name: { type: "string", minLength: 1 },
    tags: { type: "array", items: { type: "string" } },
    needs: { type: "array", items: { enum: capabilities } },
    seed: { type: "integer", minimum: 0 },
    timeout: { ...schemas.duration, description: "for the whole scenario. Default: 60s" },
    fleet,
    cloudcore: {
      type: "object",
      additionalProperties: false,
      description: "our cloudcore's settings; a scenario that has them needs the capability cloudcore-settings",
      properties: {
        nodeLimit: count,
        edgeCertLifetime: {
          ...schemas.duration,
          description: "how long edges' certificates are good for; divided by the time scale, as the edges' pauses are",
        },
        tokenLifetime: {
          ...schemas.duration,
          description: "how long bootstrap tokens are good for; not scaled, as `wait` is not",
        },
        authorization: {
          enum: ["off", "log", "on"],
          description: "whether what edges ask is checked: not, with a line in the log, or with refusal",
        },
        csi: { type: "boolean", description: "with the CSI driver's socket, which the step `volume` goes through" },
        process: { type: "boolean", description: "in a process of its own, so that it can be killed" },
        replicas: {
          type: "integer",
          minimum: 1,
          maximum: 5,
          description:
            "so many cloudcores on the same API; edges are spread over them, and move when one is gone. Default: 1",
        },
      },
    },
    steps: { $ref: "#/$defs/steps" },
    catch: { $ref: "#/$defs/steps", description: "run when a step has failed" },
    finally: { $ref: "#/$defs/steps", description: "run at the end, whatever happened" },
  },
};

const looseSteps: Schema = { type: "array", minItems: 1, items: { type: "object" } };

/** For the parser: every step is any object. */
export const parserDefs: Schema = { steps: looseSteps };

/** The whole format for editors: `scenario.schema.json`. */
export function editorSchema(table: StepTable): Schema {
  const step = [...table.values()].map((kind) => ({
    type: "object",
    description: kind.summary,
    required: [kind.name],
    additionalProperties: false,
    properties: { [kind.name]: { description: kind.summary, ...kind.schema }, ...stepWords },
  }));
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "A skep scenario",
    ...scenarioSchema,
    $defs: { steps: { type: "array", minItems: 1, items: { anyOf: step } } },
  };
}
