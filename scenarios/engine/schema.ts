// The format of a scenario as JSON Schema: what the parser checks by and what editors complete by.
import { stepTable } from "../steps/table.ts";
import { type Schema, schemas } from "../steps/step.ts";
import { capabilities } from "../targets/target.ts";

const count = { type: "integer", minimum: 1, maximum: 100_000 } as const;

const cohort: Schema = {
  type: "object",
  required: ["cohort"],
  additionalProperties: false,
  properties: {
    cohort: {
      type: "string",
      pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
      description: "a name such as gw; its edges are gw-0, gw-1 …",
    },
    count: { ...count, description: "edges; 1 where nothing is said" },
    version: {
      enum: ["v1.1", "v1.23"],
      description: "the KubeEdge version its edges speak; v1.23 where nothing is said (docs/v1.1.md)",
    },
    transport: {
      enum: ["websocket", "quic"],
      description: "how its edges reach the hub; websocket where nothing is said",
    },
    labels: { type: "object", additionalProperties: { type: "string" } },
    link: {
      type: "object",
      additionalProperties: false,
      properties: { latency: schemas.duration, jitter: schemas.duration },
    },
    devices: {
      type: "array",
      items: {
        type: "object",
        required: ["model", "perEdge"],
        additionalProperties: false,
        properties: {
          model: {
            type: "string",
            description: "a device model shipped with skep, or a file MODEL.yaml beside the scenario",
          },
          perEdge: count,
          reports: {
            ...schemas.duration,
            description: "how often each property is reported; not by itself where nothing is said",
          },
        },
      },
    },
  },
};

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
    timeout: { ...schemas.duration, description: "for the whole scenario; 60s where nothing is said" },
    fleet: { type: "array", minItems: 1, items: cohort },
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
export function editorSchema(): Schema {
  const step = [...stepTable.values()].map((kind) => ({
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
