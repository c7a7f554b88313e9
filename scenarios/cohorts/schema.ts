// Cohorts of edges as JSON Schema: in scenarios, and in files of their own.
import { type Schema, schemas } from "../files/schemas.ts";

/** A number of edges, pods or reports. */
export const count = { type: "integer", minimum: 1, maximum: 100_000 } as const;

const port = { type: "integer", minimum: 1, maximum: 65_535 } as const;

const scalar = { type: ["string", "number", "boolean"] } as const;
const scalars = { type: "array", minItems: 1, maxItems: 10_000, items: scalar } as const;
const share = { type: "number", minimum: 0, maximum: 1 } as const;

function object(properties: Record<string, Schema>, required: readonly string[], description: string): Schema {
  return { type: "object", required, additionalProperties: false, properties, description };
}

const number = { type: "number" } as const;

/** Where a property's values come from: one of these. */
const values: Schema = {
  type: "object",
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: false,
  properties: {
    constant: { ...scalar, description: "always this" },
    step: object({ values: scalars, hold: count }, ["values"], "one after the other, each for `hold` reports (1)"),
    sine: object(
      { low: number, high: number, period: count },
      ["low", "high", "period"],
      "up and down between the two, once in `period` reports",
    ),
    ramp: object(
      { from: number, to: number, reports: count },
      ["from", "to", "reports"],
      "from one to the other in that many reports, and again",
    ),
    randomWalk: object(
      { low: number, high: number, step: { type: "number", exclusiveMinimum: 0 } },
      ["low", "high", "step"],
      "each at most `step` from the one before, never out of the bounds",
    ),
    enumerated: { ...scalars, description: "one of these at random" },
    counter: object({ from: number, by: number }, [], "grows by `by` (1) with each report, from `from` (0)"),
    csv: object(
      { file: { type: "string" }, column: { type: "string" } },
      ["file", "column"],
      "the column of a table beside the scenario, line by line and again; its first line names the columns",
    ),
  },
};

/** What a device does wrong. */
const misbehaves: Schema = {
  type: "object",
  minProperties: 1,
  additionalProperties: false,
  properties: {
    refuses: { ...share, description: "the share of desired values that a device does not take" },
    lags: { ...schemas.duration, description: "how long a desired value takes to have an effect" },
    drifts: { ...number, description: "how much further off each report of a number is than the one before" },
    rubbish: { ...share, description: "the share of reports that are invalid values of the property's type" },
    offline: object(
      { every: schemas.duration, for: schemas.duration },
      ["every", "for"],
      "reports nothing and takes no values for that long, again and again; its state says so",
    ),
  },
};

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
    count: { ...count, description: "edges. Default: 1" },
    version: {
      enum: ["v1.1", "v1.23"],
      description: "the KubeEdge version its edges simulate. Default: v1.23 (docs/v1.1.md)",
    },
    transport: {
      enum: ["websocket", "quic"],
      description: "how its edges reach the hub. Default: websocket",
    },
    labels: { type: "object", additionalProperties: { type: "string" } },
    pods: { ...count, description: "pods each of its nodes takes. Default: 110" },
    stages: {
      type: "array",
      minItems: 1,
      items: { type: "string", pattern: "^[^/].*$" },
      description:
        "stages that pods live by: shipped with skep (crashing, flapping …), or FILE.yaml beside the scenario",
    },
    link: {
      type: "object",
      additionalProperties: false,
      properties: { latency: schemas.duration, jitter: schemas.duration },
    },
    reconnect: {
      type: "object",
      required: ["wait"],
      additionalProperties: false,
      description: "how long an edge waits before it dials again. Default: 30s each time, as edgecore",
      properties: {
        wait: { ...schemas.duration, description: "the first time; divided by the time scale" },
        factor: {
          type: "number",
          minimum: 1,
          maximum: 100,
          description: "what it is multiplied by each time it was in vain; 1",
        },
        cap: { ...schemas.duration, description: "what it never exceeds; 10 times the first one" },
        jitter: { ...share, description: "the random part of it, plus or minus. Default: 0" },
      },
    },
    mqtt: {
      type: "object",
      additionalProperties: false,
      description: "a broker at each of its edges, where mappers and applications attach",
      properties: {
        port: {
          ...port,
          description: "of the first edge's broker, the next one's is one more. Default: free ones",
        },
        server: {
          type: "string",
          pattern: "^(tcp|mqtt)://[^/]+:\\d+$",
          description: "a broker that runs already, tcp://HOST:PORT, and is this edge's alone",
        },
      },
    },
    serviceBus: {
      type: "object",
      additionalProperties: false,
      description: "calls HTTP services on this machine for the cloud's rules, and takes their requests to it",
      properties: {
        port: {
          ...port,
          description: "of the first edge's own server, the next one's is one more. Default: free ones",
        },
      },
    },
    dmi: {
      type: "string",
      minLength: 1,
      description: "a folder: each edge serves mappers on FOLDER/EDGE/dmi.sock",
    },
    mapper: {
      enum: ["inside", "dmi", "none"],
      description:
        "who has its devices: a simulated mapper in the edge (inside), or one that registers on its DMI socket, or none until a mapper attaches. Default: inside",
    },
    devices: {
      type: "array",
      items: {
        type: "object",
        required: ["model"],
        additionalProperties: false,
        properties: {
          model: {
            type: "string",
            description: "a device model shipped with skep, or a file MODEL.yaml beside the scenario",
          },
          perEdge: { ...count, description: "Default: 1" },
          reports: {
            ...schemas.duration,
            description: "how often each property is reported. Default: not by itself",
          },
          values: {
            type: "object",
            minProperties: 1,
            additionalProperties: values,
            description: "by property: where its values come from; random, within the model's bounds, by default",
          },
          misbehaves: { ...misbehaves, description: "what its devices do wrong" },
        },
      },
    },
  },
};

/** The cohorts of a fleet. */
export const fleet: Schema = { type: "array", minItems: 1, items: cohort };

/** A file of cohorts alone, as `skep fleet --cohorts` takes it. */
export const cohortsSchema: Schema = {
  type: "object",
  required: ["fleet"],
  additionalProperties: false,
  properties: { fleet },
};
