// The form of answer that a client asks for: its encoding, and whether the object, a Table for kubectl, or only the metadata.
import { ApiError } from "../status.ts";

/** How an answer is written. */
export type Media = "json" | "yaml" | "protobuf";

export const contentTypes: Readonly<Record<Media, string>> = {
  json: "application/json",
  yaml: "application/yaml",
  protobuf: "application/vnd.kubernetes.protobuf",
};

/** The forms an object or list can be answered in. `version` is that of meta.k8s.io. */
export interface Form {
  readonly media: Media;
  readonly as: "object" | "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList";
  readonly version: string;
  readonly isPretty?: boolean;
}

export const plain: Form = { media: "json", as: "object", version: "v1" };

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** The ranges of an Accept header, the best first. */
function rangesOf(accept: string): Range[] {
  return accept.split(",").map((range) => {
    const [type = "", ...rest] = range.split(";").map((part) => part.trim());
    const parameters = new Map(rest.map((part) => part.split("=", 2) as [string, string]));
    return { type, parameters, quality: Number(parameters.get("q") ?? 1) };
  }).sort((a, b) => b.quality - a.quality);
}

const mediaOf: Readonly<Record<string, Media>> = {
  "*/*": "json",
  "application/json": "json",
  "application/yaml": "yaml",
  "application/vnd.kubernetes.protobuf": "protobuf",
};

const forms: ReadonlySet<string> = new Set(["Table", "PartialObjectMetadata", "PartialObjectMetadataList"]);

/**
 * Picks the first acceptable form of an Accept header. Custom resources have no protobuf (`isCustom`), Tables neither.
 * Throws 406 where there is none.
 */
export function formOf(accept: string | undefined, isCustom = false): Form {
  if (accept === undefined || accept.trim() === "") return plain;
  let hasFormRange = false;
  for (const { parameters, quality, type } of rangesOf(accept)) {
    const media = mediaOf[type];
    if (media === undefined || quality === 0) continue;
    const as = parameters.get("as");
    const isPretty = parameters.get("pretty") === "1" || parameters.get("pretty") === "true";
    if (as === undefined) {
      if (media === "protobuf" && isCustom) continue;
      return { media, as: "object", version: "v1", ...(isPretty ? { isPretty } : {}) };
    }
    hasFormRange = true;
    const version = parameters.get("v") ?? "v1";
    if (parameters.get("g") !== "meta.k8s.io" || !["v1", "v1beta1"].includes(version) || !forms.has(as)) continue;
    if (media === "protobuf") continue;
    return { media, as: as as Form["as"], version };
  }
  throw notAcceptable(hasFormRange);
}

export function notAcceptable(isForm = false): ApiError {
  const all = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
  return isForm
    ? new ApiError(406, "NotAcceptable", `only the following media types are accepted: ${all}`)
    : new ApiError(406, "NotAcceptable", `406: Not Acceptable\n\nAvailable representations: ${all}`, {});
}

/** How an error is written: what the client asked for where that is possible, else JSON. */
export function errorMediaOf(accept: string | undefined): Media {
  if (accept === undefined) return "json";
  for (const { quality, type } of rangesOf(accept)) {
    const media = mediaOf[type];
    if (media !== undefined && quality > 0) return media;
  }
  return "json";
}

/** The discovery form asked for: version 2 of the aggregated one, its beta, or the plain one. */
export function discoveryFormOf(accept: string | undefined): "v2" | "v2beta1" | "plain" {
  const match = /as=APIGroupDiscoveryList/.test(accept ?? "")
    ? /;v=(v2|v2beta1);as=APIGroupDiscoveryList/.exec(accept ?? "")
    : null;
  return match === null ? "plain" : match[1] as "v2" | "v2beta1";
}
