// Reads and writes objects as the Kubernetes API does; independent of HTTP.
import { withCondition } from "./conditions.ts";
import { secondsOf } from "../../protocol/apis/time.ts";
import { randomUUID } from "node:crypto";
import { at, type Json, keyOf, type KubeList, type KubeObject } from "../../protocol/apis/kube-object.ts";
import type { Random } from "../../base/random/random.ts";
import { builtinFields, dropUnknownFields } from "./kinds/fields.ts";
import { apiVersionOf, type Kind, shownAs, tableOf } from "./kinds/kind.ts";
import { metadataErrors } from "./kinds/names.ts";
import type { Registry } from "./kinds/registry.ts";
import { normalize } from "./normalize.ts";
import { deepEqual } from "./patch/json-patch.ts";
import { alreadyExists, ApiError, badRequest, conflict, invalid, notFound } from "./status.ts";
import { selectorOf } from "./storage/selectors.ts";
import type { Store } from "./storage/store.ts";
import {
  applyPatch,
  counted,
  type DeleteOptions,
  finalizersOf,
  graceOf,
  keepMetadata,
  refuseNewFinalizers,
  refusePreconditions,
  takeStatus,
} from "./write-rules.ts";

/** Where an object stands: its kind, its namespace ("" for cluster-scoped kinds) and its name. */
export interface Target {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

/** Tries of a patch whose object changed under it; kube-apiserver gives up after five. */
const PATCH_TRIES = 5;
/** How long a list waits for a version that does not exist yet, as kube-apiserver does. */
export const FUTURE_VERSION_WAIT_MS = 3000;

const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/** The resources of one server. Every method throws ApiError for what the client did wrong. */
export class Resources {
  readonly store: Store;
  readonly registry: Registry;
  readonly #now: () => number;
  readonly #random: Random;

  constructor(store: Store, registry: Registry, now: () => number, random: Random) {
    this.store = store;
    this.registry = registry;
    this.#now = now;
    this.#random = random;
  }

  get(target: Target): KubeObject {
    const object = this.store.get(tableOf(target.kind), keyOfTarget(target));
    if (object === undefined) throw notFound(target.kind, target.name);
    return shownAs(target.kind, object);
  }

  /** Lists with selectors, pages and versions. `namespace` undefined means all of them. */
  list(kind: Kind, namespace: string | undefined, query: URLSearchParams): KubeList {
    const selected = selectorOf(query, kind.plural, kind.namespaced);
    const limit = Number(query.get("limit") ?? 0);
    const from = pageOf(query.get("continue"));
    const exact = query.get("resourceVersionMatch") === "Exact" ? Number(query.get("resourceVersion")) : undefined;
    const revision = from?.revision ?? exact ?? this.store.revision;
    const all = this.store.listAt(tableOf(kind), revision, namespace).filter(selected);
    const start = from === undefined ? 0 : all.findIndex((object) => keyOf(object) > from.after);
    const rest = start === -1 ? [] : all.slice(start);
    const items = limit > 0 ? rest.slice(0, limit) : rest;
    const remaining = rest.length - items.length;
    return {
      kind: kind.listKind,
      apiVersion: apiVersionOf(kind),
      metadata: {
        resourceVersion: String(revision),
        ...(remaining === 0 ? {} : {
          continue: Buffer.from(JSON.stringify({ revision, after: keyOf(items.at(-1) as KubeObject) })).toString(
            "base64url",
          ),
          // With a selector the real server does not count what is left.
          ...(query.has("labelSelector") || query.has("fieldSelector") ? {} : { remainingItemCount: remaining }),
        }),
      },
      items: items.map((object) => shownAs(kind, object)),
    };
  }

  create(kind: Kind, namespace: string, body: unknown, dryRun: boolean): KubeObject {
    const object = this.#checked(kind, body);
    const metadata = object.metadata;
    this.#takeNamespace(kind, object, namespace);
    if (metadata.resourceVersion) {
      throw new ApiError(500, "", "resourceVersion should not be set on objects to be created");
    }
    if (!metadata.name && metadata.generateName) metadata.name = metadata.generateName + this.#suffix();
    if (kind.namespaced) this.#refuseIfNamespaceEnds(kind, namespace, metadata.name);
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    metadata.uid = randomUUID();
    metadata.creationTimestamp = this.#timestamp();
    kind.strategy.prepareCreate?.(object);
    if (kind.strategy.generation) metadata.generation = 1;
    this.#refuseInvalid(kind, object, undefined);
    const existing = this.store.get(tableOf(kind), keyOf(object));
    if (existing !== undefined) {
      throw alreadyExists(kind, metadata.name, existing.metadata.deletionTimestamp !== undefined);
    }
    this.#allocate(kind, object);
    return dryRun ? object : this.store.put(tableOf(kind), object);
  }

  /** Replaces an object, or with `status` only its status. A version in the body must be the present one. */
  update(target: Target, body: unknown, subresource: string, dryRun: boolean): KubeObject {
    const { kind } = target;
    const old = this.get(target);
    const object = this.#checked(kind, body);
    if (!object.metadata.name) {
      throw badRequest(
        `the name of the object (${target.name} based on URL) was undeterminable: name must be provided`,
      );
    }
    if (object.metadata.name !== target.name) {
      throw badRequest(
        `the name of the object (${object.metadata.name}) does not match the name on the URL (${target.name})`,
      );
    }
    this.#takeNamespace(kind, object, target.namespace);
    if (kind.strategy.versionRequired && !object.metadata.resourceVersion) {
      throw invalid({ group: kind.group, kind: kind.plural }, target.name, [{
        reason: "FieldValueInvalid",
        message: `Invalid value: ${kind.custom ? "0x0" : '""'}: must be specified for an update`,
        field: "metadata.resourceVersion",
      }]);
    }
    return this.#replace(kind, old, object, subresource, dryRun, false);
  }

  /** Applies a patch, and lets `check` refuse what it leads to; tried again when the object changes under it, unless the patch names a version. */
  patch(
    target: Target,
    type: string,
    patch: Json,
    subresource: string,
    dryRun: boolean,
    check: (patched: unknown, old: unknown) => void = () => {},
  ): KubeObject {
    const { kind } = target;
    for (let tried = 1;; tried++) {
      const old = this.get(target);
      const patched = applyPatch(kind, type, old as unknown as Json, patch) as unknown as KubeObject;
      if (typeof patched !== "object" || patched === null || typeof patched.metadata !== "object") {
        throw badRequest("the patched object has no metadata");
      }
      if (patched.metadata.name !== target.name) {
        throw badRequest(
          `the name of the object (${patched.metadata.name}) does not match the name on the URL (${target.name})`,
        );
      }
      check(patched, old);
      const copy = structuredClone(patched);
      this.#takeNamespace(kind, copy, target.namespace);
      this.#takeKnown(kind, copy);
      try {
        return this.#replace(kind, old, copy, subresource, dryRun, true);
      } catch (error) {
        const changed = error instanceof ApiError && error.status.reason === "Conflict";
        if (!changed || patched.metadata.resourceVersion !== old.metadata.resourceVersion || tried === PATCH_TRIES) {
          throw error;
        }
      }
    }
  }

  /**
   * Deletes, or begins to: a pod on a node gets its grace period, finalizers keep an object until they are removed.
   * Returns the object as it now is, and whether it has been removed.
   */
  delete(target: Target, options: DeleteOptions): { readonly object: KubeObject; readonly removed: boolean } {
    const { kind } = target;
    const old = this.get(target);
    refusePreconditions(kind, old, options);
    const dryRun = (options.dryRun ?? []).length > 0;
    const asked = options.gracePeriodSeconds;
    if (kind.plural === "namespaces" && kind.group === "") return this.#endNamespace(kind, old, dryRun);
    const grace = kind.strategy.gracePeriod === undefined ? undefined : graceOf(kind, old, asked);
    const ending = old.metadata.deletionTimestamp !== undefined;
    const finalizers = finalizersOf(old, options.propagationPolicy);
    if (grace === undefined) {
      if (finalizers.length === 0) return { object: dryRun ? old : this.#remove(kind, old), removed: true };
      if (ending) return { object: old, removed: false };
      const marked = this.#marked(old, 0, finalizers);
      return { object: dryRun ? marked : this.store.put(tableOf(kind), marked), removed: false };
    }
    if (ending && asked !== undefined && asked >= (old.metadata.deletionGracePeriodSeconds ?? 0) && asked > 0) {
      return { object: old, removed: false };
    }
    if (ending && asked === undefined) return { object: old, removed: false };
    const marked = this.#marked(old, grace, finalizers);
    if (dryRun) return { object: marked, removed: grace === 0 };
    // The real server writes the shortened grace first, then removes: watchers see both.
    const stored = this.store.put(tableOf(kind), marked);
    if (grace > 0 || finalizers.length > 0) return { object: stored, removed: false };
    return { object: this.#remove(kind, stored), removed: true };
  }

  /** Begins a namespace's deletion: it is Terminating until it is empty and its own finalizers (in its spec) are removed. */
  #endNamespace(
    kind: Kind,
    old: KubeObject,
    dryRun: boolean,
  ): { readonly object: KubeObject; readonly removed: boolean } {
    if (old.metadata.deletionTimestamp !== undefined) return { object: old, removed: false };
    const { deletionGracePeriodSeconds: _grace, ...metadata } = this.#marked(old, 0, []).metadata;
    const ending = { ...old, metadata, status: { ...(old.status as object), phase: "Terminating" } };
    return { object: dryRun ? ending : this.store.put(tableOf(kind), ending), removed: false };
  }

  /** The binding of a pod to a node. */
  bind(target: Target, node: string): void {
    const old = this.get(target);
    const assigned = at(old, "spec", "nodeName");
    if (typeof assigned === "string" && assigned !== "") {
      throw conflict(
        { group: "", plural: "pods/binding" },
        target.name,
        `pod ${target.name} is already assigned to node "${assigned}"`,
      );
    }
    const scheduled = {
      type: "PodScheduled",
      status: "True",
      lastProbeTime: null,
      lastTransitionTime: this.#timestamp(),
    };
    const bound = withCondition(old, scheduled);
    this.store.put(tableOf(target.kind), { ...bound, spec: { ...(old.spec as object), nodeName: node } });
  }

  /** Removes an object without finalizers that is being deleted; keeps any other. */
  #settle(kind: Kind, object: KubeObject): KubeObject {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
    if (deletionTimestamp === undefined || finalizers.length > 0 || deletionGracePeriodSeconds > 0) {
      return this.store.put(tableOf(kind), object);
    }
    return this.#remove(kind, object);
  }

  /** Removes it; returns its last state. Only watchers see the version of the deletion. */
  #remove(kind: Kind, object: KubeObject): KubeObject {
    this.store.remove(tableOf(kind), object);
    return object;
  }

  #marked(object: KubeObject, grace: number, finalizers: readonly string[]): KubeObject {
    const end = secondsOf(this.#now() + grace * 1000);
    const generation = object.metadata.generation;
    return {
      ...object,
      metadata: {
        ...object.metadata,
        deletionTimestamp: end,
        deletionGracePeriodSeconds: grace,
        ...(finalizers.length === 0 ? {} : { finalizers: [...finalizers] }),
        ...(generation === undefined || object.metadata.deletionTimestamp !== undefined
          ? {}
          : { generation: generation + 1 }),
      },
    };
  }

  #replace(
    kind: Kind,
    old: KubeObject,
    object: KubeObject,
    subresource: string,
    dryRun: boolean,
    isPatch: boolean,
  ): KubeObject {
    const given = object.metadata.resourceVersion;
    if (given && given !== old.metadata.resourceVersion) throw conflict(kind, old.metadata.name);
    if (object.metadata.uid && object.metadata.uid !== old.metadata.uid) {
      if (isPatch || kind.custom) {
        throw invalid(kind, old.metadata.name, [{
          reason: "FieldValueInvalid",
          message: `Invalid value: ${JSON.stringify(object.metadata.uid)}: field is immutable`,
          field: "metadata.uid",
        }]);
      }
      throw conflict(
        kind,
        old.metadata.name,
        `Precondition failed: UID in precondition: ${object.metadata.uid}, UID in object meta: ${old.metadata.uid}`,
      );
    }
    object.apiVersion = apiVersionOf(kind);
    object.kind = kind.kind;
    keepMetadata(object, old);
    refuseNewFinalizers(kind, object, old);
    if (subresource === "status") {
      takeStatus(kind, object, old);
      kind.strategy.prepareStatus?.(object);
    } else {
      kind.strategy.prepareUpdate?.(object, old);
      if (kind.strategy.generation && !deepEqual(counted(kind, object), counted(kind, old))) {
        object.metadata.generation = (old.metadata.generation ?? 0) + 1;
      }
    }
    this.#refuseInvalid(kind, object, old);
    if (subresource !== "status") this.#allocate(kind, object);
    object.metadata.resourceVersion = old.metadata.resourceVersion as string;
    if (deepEqual(object, old)) return old; // a write that changes nothing keeps the version
    return dryRun ? object : this.#settle(kind, object);
  }

  #checked(kind: Kind, body: unknown): KubeObject {
    if (typeof body !== "object" || body === null || Array.isArray(body)) throw badRequest("the body is not an object");
    const object = structuredClone(body) as KubeObject;
    const wanted = apiVersionOf(kind);
    if (object.kind !== undefined && object.kind !== kind.kind) throw this.#otherKind(kind, object);
    if (object.apiVersion !== undefined && object.apiVersion !== wanted) {
      throw badRequest(
        `the API version in the data (${object.apiVersion}) does not match the expected API version (${wanted})`,
      );
    }
    object.apiVersion = wanted;
    object.kind = kind.kind;
    if (typeof object.metadata !== "object" || object.metadata === null) object.metadata = { name: "" };
    this.#takeKnown(kind, object);
    return object;
  }

  /** As Go's decoder leaves an object: without fields that its type doesn't have, and nulls. */
  #takeKnown(kind: Kind, object: KubeObject): void {
    const place = kind.custom ? undefined : builtinFields(kind.group, kind.version, kind.kind);
    if (place !== undefined) dropUnknownFields(object, place);
    normalize(object, kind.custom);
  }

  #otherKind(kind: Kind, object: KubeObject): ApiError {
    const version = (object.apiVersion ?? kind.version).split("/").at(-1) ?? "";
    const known = this.registry.all().some((k) => object.kind === k.kind || object.kind === k.listKind);
    const why = known
      ? `converting (${version}.${object.kind}) to (core.${kind.kind}): unknown conversion`
      : `no kind ${JSON.stringify(object.kind)} is registered for version ${
        JSON.stringify(object.apiVersion ?? "")
      } in scheme "pkg/runtime/scheme.go:100"`;
    return badRequest(
      `${object.kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind.kind}: ${why}`,
    );
  }

  #takeNamespace(kind: Kind, object: KubeObject, namespace: string): void {
    const { metadata } = object;
    if (!kind.namespaced) {
      delete metadata.namespace;
      return;
    }
    if (metadata.namespace && metadata.namespace !== namespace) {
      throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
    }
    metadata.namespace = namespace;
  }

  #refuseIfNamespaceEnds(kind: Kind, namespace: string, name: string): void {
    const found = this.store.get("namespaces", namespace);
    if (found === undefined) throw notFound({ group: "", plural: "namespaces" }, namespace);
    if (at(found, "status", "phase") !== "Terminating") return;
    throw new ApiError(
      403,
      "Forbidden",
      `${
        kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`
      } "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
      {
        name,
        ...(kind.group === "" ? {} : { group: kind.group }),
        kind: kind.plural,
        causes: [{
          reason: "NamespaceTerminating",
          message: `namespace ${namespace} is being terminated`,
          field: "metadata.namespace",
        }],
      },
    );
  }

  #refuseInvalid(kind: Kind, object: KubeObject, old: KubeObject | undefined): void {
    const causes = [
      ...metadataErrors(object.metadata, kind.strategy.nameForm ?? "subdomain"),
      ...(kind.strategy.validate?.(object, old) ?? []),
    ];
    if (causes.length > 0) throw invalid(kind, object.metadata.name ?? "", causes);
  }

  #allocate(kind: Kind, object: KubeObject): void {
    const { allocate } = kind.strategy;
    if (allocate === undefined) return;
    const others = this.store.list(tableOf(kind)).filter((other) => other.metadata.uid !== object.metadata.uid);
    const causes = allocate(object, others);
    if (causes.length > 0) throw invalid(kind, object.metadata.name, causes);
  }

  #suffix(): string {
    return Array.from({ length: 5 }, () => suffixAlphabet[this.#random.integer(0, suffixAlphabet.length - 1)]).join("");
  }

  #timestamp(): string {
    return secondsOf(this.#now());
  }
}

function keyOfTarget({ namespace, name }: Target): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

function pageOf(token: string | null): { readonly revision: number; readonly after: string } | undefined {
  if (token === null || token === "") return undefined;
  try {
    const page = JSON.parse(Buffer.from(token, "base64url").toString("utf8")) as { revision: number; after: string };
    if (Number.isInteger(page.revision) && typeof page.after === "string") return page;
  } catch {
    // falls through to the same answer
  }
  throw badRequest("invalid continue token: continue key is not valid: illegal base64 data");
}
