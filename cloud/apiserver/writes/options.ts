// How an object is written, and what the client is told about fields that its kind doesn't have.
import type { Kind, User } from "../kinds/kind.ts";
import { cannotBeHandled, type FieldValidation, type Read } from "../objects.ts";

/** How an object is written. Default: by the server itself, unknown fields dropped, nobody's fields recorded. */
export interface WriteOptions {
  readonly isDryRun?: boolean;
  readonly validation?: FieldValidation;
  /** Problems that were found in the text of the body already. */
  readonly problems?: readonly string[];
  /** The name of the field manager. */
  readonly manager?: string;
  readonly user?: User;
  /** Told what did not stop the request. */
  readonly warn?: (text: string) => void;
}

/** The server itself. */
export const system: User = { name: "system:apiserver", groups: ["system:masters", "system:authenticated"] };

/** Reports problems of a body as the client asked. */
export function judged(kind: Kind, read: Read, { validation = "Ignore", warn }: WriteOptions): Read {
  const { problems } = read;
  if (problems.length === 0 || validation === "Ignore") return read;
  if (validation === "Strict") throw cannotBeHandled(kind, `strict decoding error: ${problems.join(", ")}`);
  for (const problem of problems) warn?.(problem);
  return read;
}
