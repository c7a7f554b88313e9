// The format of a load profile as JSON Schema: what the parser checks by and what editors complete by.
import { count, fleet } from "../cohorts/schema.ts";
import { faultKinds, faultProperties } from "../files/faults.ts";
import { type Schema, schemas } from "../files/schemas.ts";
import type { OperationKind } from "./profile.ts";

function object(properties: Record<string, Schema>, description: string, required: readonly string[] = []): Schema {
  return { type: "object", required, additionalProperties: false, properties, description };
}

const rate = { type: "number", minimum: 0, maximum: 1_000_000 } as const;
const users = { type: "integer", minimum: 0, maximum: 100_000 } as const;
const share = { type: "number", exclusiveMinimum: 0, maximum: 1 } as const;
/** Bytes that fit into a message. */
const size = { type: "integer", minimum: 1, maximum: 1_000_000 } as const;
const weight = {
  type: "number",
  exclusiveMinimum: 0,
  description: "its share of all operations, in proportion. Default: 1",
};

const { heal: _, ...faultsOfPhases } = faultProperties;

const phase: Schema = object(
  {
    name: { type: "string", description: "what the report calls it. Default: its shape" },
    shape: {
      enum: ["constant", "ramp", "step", "spike", "soak", "storm"],
      description:
        "constant, from one load to another (ramp, step), a peak in its middle third (spike), constant for hours (soak), edges that lose their connections at once (storm). Default: constant",
    },
    for: { ...schemas.duration, description: "how long" },
    rate: { ...rate, description: "operations a second, whatever the target does (open model)" },
    toRate: { ...rate, description: "ramp, step: the rate at the end; spike: the peak" },
    users: {
      ...users,
      description: "instead of a rate: loops that each wait until their operation is done (closed model)",
    },
    toUsers: { ...users, description: "ramp, step: users at the end; spike: the peak" },
    think: { ...schemas.duration, description: "what a user waits between two operations. Default: 0ms" },
    jitter: { type: "number", minimum: 0, maximum: 1, description: "the random part of it, plus or minus. Default: 0" },
    steps: { type: "integer", minimum: 2, maximum: 1000, description: "step: how many. Default: 5" },
    lost: { ...share, description: "storm: the share of the edges that lose their connections. Default: 1" },
    restart: {
      enum: ["api", "cloudcore"],
      description:
        "at its begin this process of the target is killed (SIGKILL) and started again; only where skep has started it",
    },
    away: { ...schemas.duration, description: "storm: for how long they can't come back. Default: 5s" },
    faults: {
      type: "array",
      minItems: 1,
      maxItems: 20,
      description: "what is wrong with links from its begin on, as in the step `fault`; healed at its end",
      items: {
        ...object(
          {
            cohort: { type: "string", description: "whose edges. Default: all" },
            edges: { ...share, description: "the share of them, drawn by the seed. Default: 1" },
            ...faultsOfPhases,
          },
          "a fault",
        ),
        anyOf: faultKinds.filter((kind) => kind !== "heal").map((kind) => ({ required: [kind] })),
      },
    },
  },
  "a stretch of the run",
  ["for"],
);

const mix: Readonly<Record<OperationKind, Schema>> = {
  pods: object({
    share: weight,
    alive: { ...schemas.duration, description: "how long a pod runs until it is deleted. Default: 5s" },
  }, "a pod is created on an edge, runs, is deleted"),
  restarts: object({ share: weight }, "a standing pod is deleted and created again with its name"),
  configmaps: object({
    share: weight,
    size: { ...size, description: "bytes of its value. Default: 1024" },
    count: { ...count, description: "how many there are. Default: 1" },
    edges: { ...count, description: "how many edges use each. Default: all" },
  }, "a configmap is changed, and pods on edges use it"),
  reports: object({
    share: weight,
    size: { ...size, maximum: 512, description: "bytes of the value. Default: 32" },
  }, "a device reports a value, which is to be seen in its DeviceStatus"),
  desired: object({ share: weight }, "a device is to take another value"),
  queries: object({ share: weight }, "an edge asks the cloud for a configmap"),
};

/** A profile. */
export const profileSchema: Schema = {
  type: "object",
  required: ["skep", "name", "load"],
  additionalProperties: false,
  properties: {
    skep: { const: 1, description: "the version of the format" },
    name: { type: "string", minLength: 1 },
    description: { type: "string", description: "what it shows, for those who choose among profiles" },
    tags: { type: "array", items: { type: "string" } },
    seed: { type: "integer", minimum: 0 },
    fleet,
    load: object(
      {
        edges: { ...count, description: "edges of a fleet that is not described. Default: 100" },
        join: object({
          rate: {
            type: "number",
            exclusiveMinimum: 0,
            description: "edges a second. Default: as fast as the cloud admits them",
          },
          within: { ...schemas.duration, description: "for all to be Ready. Default: 5m" },
          with: {
            enum: ["token", "certificates"],
            description:
              "enrol with the token, as new edges do, or come with a certificate, as those that were there before. Default: token",
          },
        }, "how the edges join"),
        timings: object({
          heartbeat: schemas.duration,
          lease: schemas.duration,
          nodeStatus: schemas.duration,
          jitter: {
            type: "number",
            minimum: 0,
            maximum: 0.9,
            description: "by which fraction each of these intervals is longer or shorter at most, as 0.1. Default: 0",
          },
        }, "how often an edge says that it is there. Default: as edgecore, 15s, 10s and 5m"),
        standing: object({
          podsPerEdge: { ...count, description: "pods that each edge has from the beginning" },
          configmapsPerPod: {
            type: "integer",
            minimum: 0,
            maximum: 20,
            description: "configmaps of its own that each of them uses",
          },
        }, "what is there before the first phase"),
        warmUp: { ...schemas.duration, description: "the first phase's load before it, not judged" },
        phases: { type: "array", minItems: 1, maxItems: 100, items: phase },
        mix: { ...object(mix, "what is done"), minProperties: 1 },
        lostAfter: {
          ...schemas.duration,
          description: "an operation that nothing was seen of for so long is lost. Default: 30s",
        },
        maxLag: {
          ...schemas.duration,
          description: "how late the generator itself may be, p(99); beyond it a run has no verdict. Default: 500ms",
        },
        thresholds: {
          type: "array",
          items: {
            anyOf: [
              { type: "string" },
              object(
                {
                  that: { type: "string" },
                  abortAfter: {
                    ...schemas.duration,
                    description: "the run ends when it is crossed, so long after the first phase's begin",
                  },
                },
                "a threshold that ends the run",
                ["that", "abortAfter"],
              ),
            ],
            description: "a threshold such as pod.running p(99) < 2s",
          },
        },
      },
      "what is done with the fleet",
      ["phases"],
    ),
  },
};

/** The format for editors: `profile.schema.json`. */
export const profileEditorSchema: Schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "A skep load profile",
  ...profileSchema,
};

/** Whether a document is a profile rather than a scenario. */
export function isProfile(value: unknown): boolean {
  return typeof value === "object" && value !== null && "load" in value;
}
