// JSON Schemas that several parts of a file share.

/** A JSON Schema. */
export type Schema = Readonly<Record<string, unknown>>;

/** Schemas that several steps use. */
export const schemas = {
  duration: {
    type: "string",
    pattern: "^(\\d+(\\.\\d+)?(ms|s|m|h))+$",
    description: "a duration such as 500ms, 2s or 1m30s",
  },
  objectName: {
    type: "object",
    required: ["apiVersion", "kind", "name"],
    additionalProperties: false,
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      name: { type: "string" },
      namespace: { type: "string", description: "the scenario's where none is given" },
    },
  },
  manifest: {
    description: "a file, an object, or a list of them",
    anyOf: [
      { type: "string" },
      { type: "object", required: ["apiVersion", "kind", "metadata"] },
      {
        type: "array",
        items: { anyOf: [{ type: "string" }, { type: "object", required: ["apiVersion", "kind", "metadata"] }] },
      },
    ],
  },
  direction: { enum: ["up", "down", "both"] },
  value: { type: ["string", "number", "boolean"] },
} as const satisfies Record<string, Schema>;
