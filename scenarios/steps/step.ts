// What a step is to the engine: the schema of its arguments and what it does.
import { SkepError } from "../../base/error/skep-error.ts";
import type { StepContext } from "../engine/context.ts";

/** A JSON Schema. */
export type Schema = Readonly<Record<string, unknown>>;

/** One kind of step. The same table serves files and functions, so that they can't drift apart. */
export interface StepKind {
  readonly name: string;
  /** One sentence for the reference and the editor. */
  readonly summary: string;
  readonly schema: Schema;
  /** Does it; gives the value that `as` picks from, where there is one. Throws StepFailure where the step does not hold. */
  run(context: StepContext, args: never): Promise<unknown>;
}

/** A step that does not hold: what was expected and what was found, for a person. */
export class StepFailure extends SkepError {
  readonly code = "SKEP_STEP";
  /** A part of the resource paths of messages that had to do with it; empty for none in particular. */
  readonly about: string;
  constructor(message: string, details: readonly string[] = [], about = "") {
    super(message, { details });
    this.about = about;
  }
}

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
