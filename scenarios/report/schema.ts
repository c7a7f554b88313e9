// The form of report.json as JSON Schema, for programs that read it.
import type { Schema } from "../files/schemas.ts";
import { reportFormat } from "./json.ts";

const text = { type: "string" };
const texts = { type: "array", items: text };
const milliseconds = { type: "number", minimum: 0, description: "milliseconds" };
const count = { type: "integer", minimum: 0 };

const position: Schema = {
  type: "object",
  required: ["file", "line", "column"],
  properties: { file: text, line: count, column: count },
};

const failure: Schema = {
  type: "object",
  required: ["message", "details", "hops"],
  properties: {
    message: text,
    details: texts,
    position,
    differences: {
      type: "array",
      description: "what was found instead of what the step's arguments say",
      items: { type: "object", required: ["path", "at"], properties: { path: text, at: { type: "array" } } },
    },
    hops: { type: "array", items: { type: "object" }, description: "the last messages that had to do with it" },
  },
};

const scenario: Schema = {
  type: "object",
  required: [
    "name",
    "file",
    "tags",
    "seed",
    "verdict",
    "reason",
    "took",
    "tries",
    "flaky",
    "steps",
    "failures",
    "invariants",
  ],
  properties: {
    name: text,
    file: text,
    tags: texts,
    seed: count,
    verdict: { enum: ["passed", "failed", "skipped"] },
    reason: { ...text, description: "why it was skipped; empty otherwise" },
    took: milliseconds,
    tries: { type: "integer", minimum: 1 },
    flaky: { type: "boolean", description: "it held on a later try only" },
    earlier: { type: "array", items: failure },
    refused: { const: true, description: "its files are wrong: nothing of it was run" },
    steps: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "kind", "line", "began", "took", "verdict"],
        properties: {
          name: text,
          kind: text,
          line: count,
          began: milliseconds,
          took: milliseconds,
          verdict: { enum: ["passed", "failed", "skipped"] },
        },
      },
    },
    failures: { type: "array", items: failure },
    shown: { type: "array", items: { type: "object", properties: { what: text, lines: texts } } },
    invariants: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "verdict", "details"],
        properties: { name: text, verdict: { enum: ["held", "broken", "not judged"] }, details: texts },
      },
    },
    latencies: { type: "array", items: { type: "object", required: ["flow", "counts"] } },
    messages: count,
    metrics: { type: "object", additionalProperties: { type: "number" } },
    recording: { ...text, description: "the recording of its messages, beside the report" },
  },
};

/** `report.json`. Fields may be added; one that is taken away or changes its meaning gets the form another number. */
export const reportSchema: Schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "report.json of skep run",
  type: "object",
  required: ["format", "target", "seed", "timeScale", "patience", "versions", "startedAt", "took", "scenarios"],
  properties: {
    format: { const: reportFormat },
    target: text,
    run: { ...text, description: "the label skep/run of everything that it made in a cluster" },
    seed: count,
    timeScale: { type: "number" },
    patience: { type: "number" },
    versions: { type: "object", properties: { skep: text, runtime: text, machine: text } },
    startedAt: { ...count, description: "Unix milliseconds" },
    took: milliseconds,
    interrupted: { type: "boolean" },
    notRun: texts,
    judged: { ...texts, description: "invariants that were judged in at least one scenario" },
    notJudged: { ...texts, description: "invariants that the target could not show enough for" },
    scenarios: { type: "array", items: scenario },
    firstMessage: { type: "object", additionalProperties: { type: "number" } },
  },
};
