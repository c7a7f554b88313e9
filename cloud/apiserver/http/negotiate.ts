// The form of answer that a client asks for: plain JSON, a Table for kubectl, or only the metadata.
import { ApiError } from "../status.ts";

/** The forms an object or list can be answered in. `version` is that of meta.k8s.io. */
export type Form =
  | { readonly as: "object" }
  | { readonly as: "Table"; readonly version: string }
  | { readonly as: "PartialObjectMetadata" | "PartialObjectMetadataList"; readonly version: string };

const plain: Form = { as: "object" };

/** Picks the first acceptable form of an Accept header. Throws 406 where there is none. */
export function formOf(accept: string | undefined): Form {
  if (accept === undefined || accept.trim() === "") return plain;
  for (const range of accept.split(",")) {
    const [type = "", ...rest] = range.split(";").map((part) => part.trim());
    const parameters = new Map(rest.map((p) => p.split("=", 2) as [string, string]));
    if (parameters.get("q") === "0") continue;
    if (!["application/json", "application/*", "*/*", "application/yaml"].includes(type)) continue;
    const as = parameters.get("as");
    if (as === undefined) return plain;
    const version = parameters.get("v") ?? "v1";
    if (parameters.get("g") !== "meta.k8s.io" || !["v1", "v1beta1"].includes(version)) continue;
    if (as === "Table" || as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return { as, version };
  }
  throw new ApiError(
    406,
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
  );
}

/** The discovery form asked for: version 2 of the aggregated one, its beta, or the plain one. */
export function discoveryFormOf(accept: string | undefined): "v2" | "v2beta1" | "plain" {
  const match = /as=APIGroupDiscoveryList/.test(accept ?? "")
    ? /;v=(v2|v2beta1);as=APIGroupDiscoveryList/.exec(accept ?? "")
    : null;
  return match === null ? "plain" : match[1] as "v2" | "v2beta1";
}
