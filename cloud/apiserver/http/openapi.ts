// Serves the OpenAPI documents, made when they are asked for and kept until a definition changes.
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Kind } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { documentV2, documentV3, groupVersionPath, type Node } from "../openapi/documents.ts";
import { encodeV2, encodeV3 } from "../openapi/gnostic.ts";
import { methodNotAllowed } from "../status.ts";
import type { Answer } from "./answer.ts";

const v2Type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const v3Type = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/** Documents of one set of kinds; another set has others. */
interface Documents {
  readonly kinds: readonly Kind[];
  readonly made: Map<string, Uint8Array>;
}

const kept = new WeakMap<Registry, Documents>();

function documentsOf(registry: Registry): Documents {
  const kinds = registry.all();
  const known = kept.get(registry);
  const isSame = known !== undefined && known.kinds.length === kinds.length &&
    kinds.every((kind, i) => kind === known.kinds[i]);
  if (isSame) return known;
  const documents = { kinds, made: new Map<string, Uint8Array>() };
  kept.set(registry, documents);
  return documents;
}

function once({ made }: Documents, key: string, make: () => Uint8Array): Uint8Array {
  let found = made.get(key);
  if (found === undefined) made.set(key, found = make());
  return found;
}

const asJson = (node: Node) => Buffer.from(JSON.stringify(node));

/** The answer for a path below `/openapi`; undefined for one that is none. */
export function openApi(registry: Registry, words: readonly string[], request: IncomingMessage): Answer | undefined {
  if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
  const documents = documentsOf(registry);
  const { kinds } = documents;
  const isProtobuf = /proto-openapi|protobuf/.test(String(request.headers.accept ?? ""));
  const [form, ...place] = words;
  if (form === "v2" && place.length === 0) {
    return isProtobuf
      ? bytes(once(documents, "v2.pb", () => encodeV2(documentV2(kinds))), v2Type)
      : bytes(once(documents, "v2.json", () => asJson(documentV2(kinds))), "application/json");
  }
  if (form !== "v3") return undefined;
  if (place.length === 0) {
    return bytes(once(documents, "v3", () => asJson(indexOf(documents))), "text/plain; charset=utf-8");
  }
  const wanted = place.join("/");
  const own = kinds.filter((kind) => groupVersionPath(kind) === wanted);
  if (own.length === 0) return { status: 404, content: { bytes: new Uint8Array() }, contentType: "" };
  return isProtobuf
    ? bytes(once(documents, `${wanted}.pb`, () => encodeV3(documentV3(own))), v3Type)
    : bytes(documentOf(documents, wanted), "application/json");
}

function bytes(content: Uint8Array, contentType: string): Answer {
  return { status: 200, content: { bytes: content }, contentType };
}

function documentOf(documents: Documents, path: string): Uint8Array {
  return once(
    documents,
    path,
    () => asJson(documentV3(documents.kinds.filter((kind) => groupVersionPath(kind) === path))),
  );
}

/** The index that kubectl reads before any write. Hashes are of what a document is made from: making all of them would take long. */
function indexOf({ kinds }: Documents): Node {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const path of new Set(kinds.map(groupVersionPath))) {
    const hash = createHash("sha256");
    for (const kind of kinds) {
      if (groupVersionPath(kind) === path) hash.update(`${kind.kind} ${JSON.stringify(kind.custom?.root ?? null)}\n`);
    }
    const text = hash.digest("hex").slice(0, 32).toUpperCase();
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${text}` };
  }
  return { paths };
}
