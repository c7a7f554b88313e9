// What server-side apply makes of an object.
import { isPlainObject, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { afterUpdate, type Applied, apply, withLastApplied, type Writer } from "../apply/managers.ts";
import { apiVersionOf } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { emptyObject, readObject } from "../objects.ts";
import { badRequest } from "../status.ts";
import type { Stored } from "../storage/stored.ts";
import { otherName, type Target } from "./target.ts";

/** What is to be applied to what. */
export interface ApplyOptions {
  readonly config: unknown;
  /** What is there; undefined where nothing is. */
  readonly live: Stored | undefined;
  readonly writer: Writer;
  readonly force: boolean;
  readonly subresource: string;
}

/** The object, and who owns its fields then. Throws 400 for what can't be applied to it, and 409 for fields of others. */
export function appliedTo(
  registry: Registry,
  target: Target,
  { config, force, live, subresource, writer }: ApplyOptions,
): Applied {
  const { kind, name } = target;
  const given = checkedConfig(target, config) as unknown as KubeObject;
  const liveObject = live?.object ?? emptyObject(kind);
  let entries = live?.entries ?? [];
  if (live !== undefined && entries.length === 0) {
    // Who wrote it before nobody knows any more.
    const unknown = { ...writer, manager: "before-first-apply", subresource: "" };
    entries = afterUpdate(kind.schema, [], emptyObject(kind), liveObject, unknown);
  }
  const version = String(given.apiVersion);
  const givenName: unknown = given.metadata.name;
  const result = apply({
    schema: kind.schema,
    live: liveObject,
    entries,
    applied: given,
    writer,
    force,
    ignored: subresource === "" ? (kind.hasStatus ? ["f:status"] : []) : ["f:spec"],
    about: `/${typeof givenName === "string" ? givenName : ""}; ${
      version.includes("/") ? version : `/${version}`
    }, Kind=${given.kind}`,
    settle: (object) => readObject(kind, object, registry).object,
  });
  const object = withLastApplied(structuredClone(result.object), given, writer.manager);
  object.metadata.name = name;
  return { object, entries: result.entries };
}

/** What a client applies to an object. Throws 400 where it is none of that kind and name. */
function checkedConfig({ kind, name }: Target, config: unknown): Record<string, unknown> {
  const given = isPlainObject(config) ? config : {};
  const [apiVersion = "", kindName = ""] = [given.apiVersion, given.kind] as (string | undefined)[];
  if (apiVersion !== apiVersionOf(kind) || kindName !== kind.kind) {
    throw badRequest(
      `invalid object type: ${apiVersion.includes("/") ? apiVersion : `/${apiVersion}`}, Kind=${kindName}`,
    );
  }
  const metadata = isPlainObject(given.metadata) ? given.metadata : {};
  if (metadata.managedFields !== undefined && metadata.managedFields !== null) {
    throw badRequest("metadata.managedFields must be nil");
  }
  if (metadata.name === undefined || metadata.name === "") {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  if (typeof metadata.name === "string" && metadata.name !== name) throw otherName(metadata.name, name);
  return { ...given, metadata };
}
