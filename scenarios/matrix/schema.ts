// The form of matrix.json as JSON Schema, for programs that read it.
import type { Schema } from "../files/schemas.ts";
import { matrixFormat } from "./table.ts";

const text = { type: "string" };
const texts = { type: "array", items: text };
const milliseconds = { type: "number", minimum: 0, description: "milliseconds" };
const count = { type: "integer", minimum: 0 };

/** `matrix.json`. */
export const matrixSchema: Schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "matrix.json of skep matrix",
  type: "object",
  required: ["format", "targets", "scenarios"],
  properties: {
    format: { const: matrixFormat },
    targets: texts,
    scenarios: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "file", "cells", "alike"],
        properties: {
          name: text,
          file: text,
          alike: { type: "boolean", description: "all targets that ran it came to the same, by the same messages" },
          cells: {
            type: "array",
            items: {
              type: "object",
              required: ["target", "verdict", "reason", "took", "up", "down", "differences"],
              properties: {
                target: text,
                verdict: { enum: ["passed", "failed", "skipped", "not run"] },
                reason: text,
                took: milliseconds,
                up: count,
                down: count,
                differences: { type: "array", items: { type: "object", required: ["kind", "message", "details"] } },
              },
            },
          },
        },
      },
    },
  },
};
