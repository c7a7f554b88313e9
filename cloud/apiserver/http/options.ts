// What a request's query asks for, checked as kube-apiserver checks its options.
import { type Clock, sleep } from "../../../base/time/clock.ts";
import { FUTURE_VERSION_WAIT_MS } from "../pages.ts";
import type { Resources } from "../resources.ts";
import { ApiError, badRequest, type Cause, denied, invalid, unsupported } from "../status.ts";

export type OptionsKind = "ListOptions" | "CreateOptions" | "UpdateOptions" | "PatchOptions" | "DeleteOptions";

/** An error about an option of a request. */
export function refuseOption(kind: OptionsKind, cause: Cause): ApiError {
  return invalid({ group: "meta.k8s.io", kind }, "", [cause]);
}

/** Refuses numbers that are none, in Go's words. */
export function checkNumbers(query: URLSearchParams): void {
  for (const name of ["limit", "timeoutSeconds"]) {
    const given = query.get(name) ?? "";
    if (given === "" || /^[+-]?\d+$/.test(given)) continue;
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(given)}: invalid syntax`);
  }
}

/** A list's query, with a limit only where it counts: the cache, which answers for version 0, does not page. Throws. */
export function checkListOptions(query: URLSearchParams): URLSearchParams {
  checkNumbers(query);
  const version = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const token = query.get("continue") ?? "";
  if (query.has("sendInitialEvents")) {
    const causes = [denied("sendInitialEvents", "sendInitialEvents is forbidden for list")];
    if (match !== "" && version === "") {
      causes.unshift(
        denied("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
      );
    }
    throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", causes);
  }
  if (match !== "" && token !== "") {
    throw refuseOption(
      "ListOptions",
      denied("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"),
    );
  }
  if (match !== "" && version === "") {
    throw refuseOption(
      "ListOptions",
      denied("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
    );
  }
  if (!["", "Exact", "NotOlderThan"].includes(match)) {
    throw refuseOption("ListOptions", unsupported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""]));
  }
  if (match === "Exact" && version === "0") {
    throw refuseOption(
      "ListOptions",
      denied("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
    );
  }
  if (token !== "" && version !== "" && version !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  const checked = new URLSearchParams(query);
  if (version === "0" && token === "") checked.delete("limit");
  // A version together with a limit means exactly that version.
  const isLimited = Number(checked.get("limit") ?? 0) > 0;
  if (isLimited && token === "" && version !== "" && version !== "0" && match === "") {
    checked.set("resourceVersionMatch", "Exact");
  }
  return checked;
}

/** Waits for a version of the future as kube-apiserver does, three seconds, then answers 504. Throws for what is no number. */
export async function awaitVersion(resources: Resources, clock: Clock, query: URLSearchParams): Promise<void> {
  const given = query.get("resourceVersion") ?? "";
  if (given === "") return;
  if (!/^\d+$/.test(given)) throw noNumber(given);
  if (Number(given) <= resources.store.revision) return;
  if (query.get("resourceVersionMatch") === "Exact") {
    throw new ApiError(500, "", "etcdserver: mvcc: required revision is a future revision");
  }
  await sleep(clock, FUTURE_VERSION_WAIT_MS);
  if (Number(given) <= resources.store.revision) return;
  throw new ApiError(
    504,
    "Timeout",
    `Timeout: Too large resource version: ${given}, current: ${resources.store.revision}`,
    {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    },
  );
}

/** A version that is no number, in Go's words. */
export function noNumber(given: string): ApiError {
  const quoted = JSON.stringify(given);
  return new ApiError(
    500,
    "",
    `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: invalid syntax`,
  );
}

/** Whether an apply takes fields from their owners. Words that are neither true nor false mean no, as Go reads them. */
export function isForced(query: URLSearchParams): boolean {
  return ["1", "t", "T", "true", "TRUE", "True"].includes(query.get("force") ?? "");
}

/** Whether nothing is to be stored. Throws 422 for a dry run of an unknown kind. */
export function isDryRun(query: URLSearchParams, kind: OptionsKind): boolean {
  const values = query.getAll("dryRun").filter((value) => value !== "");
  if (values.length === 0) return false;
  if (values.every((value) => value === "All")) return true;
  const list = `[]string{${values.map((value) => JSON.stringify(value)).join(", ")}}`;
  throw refuseOption(kind, {
    reason: "FieldValueNotSupported",
    message: `Unsupported value: ${list}: supported values: "All"`,
    field: "dryRun",
  });
}
