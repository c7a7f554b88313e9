// Positions in files that a person wrote, and the error that names one.
import { SkepError } from "../../base/error/skep-error.ts";

/** A position in a file; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** As editors and terminals take it: `file:line:column`. */
export function positionText({ column, file, line }: Position): string {
  return `${file}:${line}:${column}`;
}

/** A file that is no scenario: what was found where, and what is allowed there. */
export class ScenarioError extends SkepError {
  readonly code = "SKEP_SCENARIO";
  readonly position: Position;
  constructor(position: Position, message: string) {
    super(`${positionText(position)}: ${message}`);
    this.position = position;
  }
}
