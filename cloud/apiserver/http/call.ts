// One request on its way to an answer, and what its query and headers say about a write.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../../base/time/clock.ts";
import type { ReviewDeps } from "../access/reviews.ts";
import type { User } from "../kinds/kind.ts";
import type { FieldValidation } from "../objects.ts";
import type { Resources } from "../resources.ts";
import { badRequest, unsupported } from "../status.ts";
import type { WriteOptions } from "../writes/options.ts";
import type { DeleteOptions } from "../writes/rules.ts";
import { contentTypeOf, parseOptions, readApiBody } from "./body.ts";
import { isDryRun, type OptionsKind, refuseOption } from "./options.ts";
import type { ResourcePath } from "./path.ts";
import type { WatchDeps } from "./watch.ts";

/** One request and what its handlers need to answer it. */
export interface Call {
  readonly resources: Resources;
  readonly clock: Clock;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly words: readonly string[];
  /** The resource that the path names. */
  readonly path: ResourcePath | undefined;
  readonly user: User;
  readonly reviews: ReviewDeps;
  readonly watches: WatchDeps;
  /** Collected for the answer. */
  readonly warnings: string[];
}

/** Everything that a write may say beside its body. */
export function writeOptions(call: Call, kind: OptionsKind, problems: readonly string[] = []): WriteOptions {
  const { request, url: { searchParams: query }, user, warnings } = call;
  return {
    isDryRun: isDryRun(query, kind),
    validation: fieldValidationOf(query, kind),
    problems,
    manager: managerOf(request, query),
    user,
    warn: (text) => void warnings.push(text),
  };
}

/** Letters of a field manager's name. */
const MAX_MANAGER = 128;

/** The field manager: as the client says, else the name of the program. */
function managerOf(request: IncomingMessage, query: URLSearchParams): string {
  const given = query.get("fieldManager") ?? "";
  if (given.length > MAX_MANAGER) throw badRequest(`fieldManager: Too long: may not be more than ${MAX_MANAGER} bytes`);
  if (given !== "") return given;
  const program = (request.headers["user-agent"] ?? "").split("/")[0]?.slice(0, MAX_MANAGER) ?? "";
  return program === "" ? "unknown" : program;
}

/** Reads the query. Default: unknown fields are warned about. Throws 422 for another word. */
function fieldValidationOf(query: URLSearchParams, options: OptionsKind): FieldValidation {
  const asked = query.get("fieldValidation") ?? "";
  if (asked === "") return "Warn";
  if (asked === "Strict" || asked === "Warn" || asked === "Ignore") return asked;
  throw refuseOption(options, unsupported("fieldValidation", asked, ["", "Ignore", "Strict", "Warn"]));
}

/** What a client asks of a deletion, in the body or in the query. Throws 400. */
export async function deleteOptions(request: IncomingMessage, query: URLSearchParams): Promise<DeleteOptions> {
  const body = parseOptions(await readApiBody(request), contentTypeOf(request)) as DeleteOptions | undefined;
  if (body !== undefined && (typeof body !== "object" || body === null)) {
    throw badRequest("the delete options are not an object");
  }
  const options: Record<string, unknown> = { ...body };
  options.gracePeriodSeconds ??= undefined;
  const asked = query.get("gracePeriodSeconds");
  if (asked !== null) {
    if (!/^[+-]?\d+$/.test(asked)) {
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(asked)}: invalid syntax`);
    }
    options.gracePeriodSeconds = Number(asked);
  } else if (!["undefined", "number", "bigint"].includes(typeof options.gracePeriodSeconds)) {
    throw badRequest("gracePeriodSeconds in the delete options is not a number of seconds");
  }
  if (query.has("propagationPolicy")) options.propagationPolicy = query.get("propagationPolicy");
  if (query.has("dryRun")) options.dryRun = isDryRun(query, "DeleteOptions") ? ["All"] : [];
  return options as DeleteOptions;
}
