// Reads and writes objects as the Kubernetes API does; independent of HTTP.
import { randomUUID } from "node:crypto";
import type { Random } from "../../base/random/random.ts";
import { at, isPlainObject, type Json, keyOf, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../protocol/apis/time.ts";
import {
  afterUpdate,
  apply,
  entriesText,
  type ManagedFieldsEntry,
  withLastApplied,
  type Writer,
} from "./apply/managers.ts";
import { TypedError } from "./apply/typed.ts";
import { withCondition } from "./conditions.ts";
import {
  apiVersionOf,
  type Kind,
  type Subresource,
  type Surroundings,
  type TokenIssuer,
  type User,
} from "./kinds/kind.ts";
import { jsonError } from "./json-error.ts";
import { metadataErrors } from "./kinds/names.ts";
import type { Registry } from "./kinds/registry.ts";
import { cannotBeHandled, emptyObject, emptyStatus, type FieldValidation, type Read, readObject } from "./objects.ts";
import { deepEqual } from "./patch/json-patch.ts";
import { alreadyExists, ApiError, badRequest, type Cause, conflict, invalid, notFound } from "./status.ts";
import { selectedName, selectorOf } from "./storage/selectors.ts";
import type { Store } from "./storage/store.ts";
import { Stored } from "./storage/stored.ts";
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

/** A part of an object that is written by itself. */
type Part = Extract<Subresource, { as: "part" }>;

/** A list as it was at one moment. */
export interface Page {
  readonly revision: number;
  readonly items: readonly Stored[];
  /** The token for the rest. */
  readonly next?: string;
  readonly remaining?: number;
}

/** The server itself. */
export const system: User = { name: "system:apiserver", groups: ["system:masters", "system:authenticated"] };

/** Tries of a patch whose object changed under it; kube-apiserver gives up after five. */
const PATCH_TRIES = 5;
/** Names that are tried where one is to be generated, as by kube-apiserver. */
const NAME_TRIES = 8;
/** How long a list waits for a version that does not exist yet, as kube-apiserver does. */
export const FUTURE_VERSION_WAIT_MS = 3000;

const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";
const noTokens: TokenIssuer = {
  issuer: "https://kubernetes.default.svc.cluster.local",
  audience: "https://kubernetes.default.svc.cluster.local",
  sign: () => Promise.reject(new ApiError(500, "InternalError", "this server has no key to sign tokens with")),
};

/** The resources of one server. Every method throws ApiError for what the client did wrong. */
export class Resources {
  readonly store: Store;
  readonly registry: Registry;
  readonly tokens: TokenIssuer;
  readonly #now: () => number;
  readonly #random: Random;

  constructor(store: Store, registry: Registry, now: () => number, random: Random, tokens: TokenIssuer = noTokens) {
    this.store = store;
    this.registry = registry;
    this.tokens = tokens;
    this.#now = now;
    this.#random = random;
  }

  now(): number {
    return this.#now();
  }

  /** A stored object by its table and key, for rules that look at others. */
  find(table: string, key: string): KubeObject | undefined {
    return this.store.get(table, key);
  }

  list(table: string, namespace?: string): readonly KubeObject[] {
    return this.store.list(table, namespace);
  }

  get(target: Target): KubeObject {
    return this.getStored(target).object;
  }

  getStored(target: Target): Stored {
    const stored = this.store.find(target.kind.table, keyOfTarget(target));
    if (stored === undefined) throw notFound(target.kind, target.name);
    return shown(target.kind, stored);
  }

  /** Lists with selectors, pages and versions. `namespace` undefined means all of them. */
  page(kind: Kind, namespace: string | undefined, query: URLSearchParams): Page {
    const selected = selectorOf(query, kind.selectable, kind.namespaced);
    const limit = Number(query.get("limit") ?? 0);
    const from = pageOf(query.get("continue"));
    const exact = query.get("resourceVersionMatch") === "Exact" ? Number(query.get("resourceVersion")) : undefined;
    const revision = from?.revision ?? exact ?? this.store.revision;
    const name = selectedName(query);
    let all = name !== undefined && revision === this.store.revision && (namespace !== undefined || !kind.namespaced)
      ? this.#one(kind, namespace, name)
      : this.store.listAt(kind.table, revision, namespace);
    if (selected !== undefined) all = all.filter((stored) => selected(shown(kind, stored).object));
    const start = from === undefined ? 0 : all.findIndex(({ object }) => keyOf(object) > from.after);
    const rest = start === -1 ? [] : start === 0 ? all : all.slice(start);
    const items = limit > 0 ? rest.slice(0, limit) : rest;
    const remaining = rest.length - items.length;
    const last = items.at(-1);
    return {
      revision,
      items: items.map((stored) => shown(kind, stored)),
      ...(remaining === 0 || last === undefined ? {} : {
        next: Buffer.from(JSON.stringify({ revision, after: keyOf(last.object) })).toString("base64url"),
        // With a selector the real server does not count what is left.
        ...(selected === undefined ? { remaining } : {}),
      }),
    };
  }

  #one(kind: Kind, namespace: string | undefined, name: string): Stored[] {
    const found = this.store.find(kind.table, keyOfTarget({ kind, namespace: namespace ?? "", name }));
    return found === undefined ? [] : [found];
  }

  /** Creates an object. */
  create(kind: Kind, namespace: string, body: unknown, options: WriteOptions = {}): Stored {
    const { object } = this.#judged(kind, readObject(kind, body, this.registry, options.problems), options);
    return this.#create(kind, namespace, object, options);
  }

  #create(
    kind: Kind,
    namespace: string,
    object: KubeObject,
    options: WriteOptions,
    entries?: readonly ManagedFieldsEntry[],
  ): Stored {
    const { metadata } = object;
    this.#takeNamespace(kind, object, namespace);
    if (metadata.resourceVersion) {
      throw new ApiError(500, "", "resourceVersion should not be set on objects to be created");
    }
    if (!metadata.name && metadata.generateName) metadata.name = this.#freeName(kind, object, metadata.generateName);
    if (kind.namespaced) this.#refuseIfNamespaceEnds(kind, namespace, metadata.name);
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    delete metadata.selfLink;
    const managed = this.#ownersAtCreation(kind, object, options, entries);
    delete metadata.managedFields;
    metadata.uid = randomUUID();
    metadata.creationTimestamp = this.#timestamp();
    const around = this.#around(options);
    kind.strategy.admit?.(object, undefined, around);
    if (kind.hasStatus && kind.strategy.statusIsOpen !== true) resetStatus(kind, object);
    kind.strategy.prepareCreate?.(object, around);
    if (kind.strategy.generation) metadata.generation = 1;
    this.#refuseInvalid(kind, object, undefined);
    const existing = this.store.get(kind.table, keyOf(object));
    if (existing !== undefined) {
      throw alreadyExists(kind, metadata.name, existing.metadata.deletionTimestamp !== undefined);
    }
    this.#allocate(kind, object);
    if (options.isDryRun) return shown(kind, new Stored(object, entriesText(managed)));
    return this.#write(kind, object, entriesText(managed));
  }

  /**
   * Replaces an object, or with `subresource` a part of it. A version in the body must be the present one. `created` says
   * whether there was none.
   */
  update(
    target: Target,
    body: unknown,
    subresource = "",
    options: WriteOptions = {},
  ): { readonly stored: Stored; readonly created: boolean } {
    const { kind } = target;
    const existing = this.store.find(kind.table, keyOfTarget(target));
    const isCreation = existing === undefined && kind.strategy.createsOnUpdate === true && subresource === "";
    if (existing === undefined && !isCreation) throw notFound(kind, target.name);
    const { object } = this.#judged(kind, readObject(kind, body, this.registry, options.problems), options);
    if (!object.metadata.name) {
      throw badRequest(
        `the name of the object (${target.name} based on URL) was undeterminable: name must be provided`,
      );
    }
    if (object.metadata.name !== target.name) throw otherName(object.metadata.name, target.name);
    this.#takeNamespace(kind, object, target.namespace);
    if (existing === undefined) {
      delete object.metadata.resourceVersion;
      delete object.metadata.uid;
      return { stored: this.#create(kind, target.namespace, object, options), created: true };
    }
    const isRequired = kind.strategy.versionRequired === true;
    if (isRequired && !object.metadata.resourceVersion) {
      throw invalid({ group: kind.group, kind: kind.plural }, target.name, [{
        reason: "FieldValueInvalid",
        message: `Invalid value: 0x0: must be specified for an update`,
        field: "metadata.resourceVersion",
      }]);
    }
    const old = shown(kind, existing);
    return { stored: this.#replace(kind, old, object, subresource, options, false), created: false };
  }

  /** Applies a patch; tried again when the object changes under it, unless the patch names a version. */
  patch(target: Target, type: string, patch: Json, subresource = "", options: WriteOptions = {}): Stored {
    const { kind } = target;
    // Reading the owners of fields would cost more than all else; few patches mean them.
    const isAboutOwners = JSON.stringify(patch).includes("managedFields");
    for (let tried = 1;; tried++) {
      const old = this.getStored(target);
      const patched = applyPatch(
        kind,
        type,
        (isAboutOwners ? old.whole : old.object) as unknown as Json,
        patch,
      ) as unknown;
      if (!isPlainObject(patched)) throw badRequest("the patched object is not an object");
      const object = this.#patched(kind, patched, options, old.object);
      if (object.metadata.name !== target.name && object.metadata.name) {
        throw otherName(object.metadata.name, target.name);
      }
      object.metadata.name = target.name;
      this.#takeNamespace(kind, object, target.namespace);
      const given = object.metadata.resourceVersion;
      try {
        return this.#replace(kind, old, object, subresource, options, true);
      } catch (error) {
        const changed = error instanceof ApiError && error.status.reason === "Conflict";
        if (!changed || given !== old.object.metadata.resourceVersion || tried === PATCH_TRIES) throw error;
      }
    }
  }

  /** The patched object as its kind reads it; what does not fit is the patch's fault. */
  #patched(
    kind: Kind,
    patched: Readonly<Record<string, unknown>>,
    options: WriteOptions,
    old: KubeObject,
  ): KubeObject {
    const refuse = (why: string) => {
      const message = `Invalid value: ${JSON.stringify(JSON.stringify(patched))}: ${why}`;
      return new ApiError(422, "Invalid", ` "" is invalid: patch: ${message}`, {
        causes: [{ reason: "FieldValueInvalid", message, field: "patch" }],
      });
    };
    const { apiVersion, kind: name } = patched;
    const isOther = (apiVersion !== undefined && apiVersion !== apiVersionOf(kind)) ||
      (name !== undefined && name !== kind.kind);
    if (isOther) {
      // A custom resource's patch can't change what it is; another kind of a built-in one is not known to its decoder.
      if (kind.custom !== undefined) throw refuseOtherType(kind, patched);
      const other = this.registry.findByKind(String(apiVersion ?? apiVersionOf(kind)), String(name));
      try {
        if (other !== undefined) readObject(other, patched, this.registry);
      } catch (error) {
        // The decoder reads it as what it says it is.
        const prefix = other === undefined ? "" : cannotBeHandled(other, "").message;
        if (other !== undefined && error instanceof ApiError && error.message.startsWith(prefix)) {
          throw refuse(error.message.slice(prefix.length));
        }
        throw error;
      }
      throw refuse(
        `no kind ${JSON.stringify(name)} is registered for version ${
          JSON.stringify(apiVersion)
        } in scheme "pkg/runtime/scheme.go:100"`,
      );
    }
    let read: Read;
    try {
      read = readObject(kind, patched, this.registry, options.problems, old);
    } catch (error) {
      const prefix = cannotBeHandled(kind, "").message;
      if (error instanceof ApiError && error.message.startsWith(prefix)) {
        throw refuse(error.message.slice(prefix.length));
      }
      throw error;
    }
    const { validation = "Ignore" } = options;
    if (read.problems.length > 0 && validation === "Strict") {
      throw refuse(`strict decoding error: ${read.problems.join(", ")}`);
    }
    if (validation === "Warn") { for (const problem of read.problems) options.warn?.(problem); }
    return read.object;
  }

  /** Server-side apply: creates the object, or merges into it what its manager says. */
  apply(
    target: Target,
    config: unknown,
    subresource: string,
    force: boolean,
    options: WriteOptions,
  ): { readonly stored: Stored; readonly created: boolean } {
    const { kind, name, namespace } = target;
    const given = this.#checkedConfig(target, config);
    const existing = this.store.find(kind.table, keyOfTarget(target));
    if (existing === undefined && subresource !== "") throw notFound(kind, name);
    const writer = this.#writer(kind, subresource, options) as Writer;
    const live = existing === undefined ? undefined : shown(kind, existing);
    const liveObject = live?.object ?? emptyObject(kind);
    let entries = live?.entries ?? [];
    if (live !== undefined && entries.length === 0) {
      // Who wrote it before nobody knows any more.
      entries = afterUpdate(kind.schema, [], emptyObject(kind), liveObject, {
        ...writer,
        manager: "before-first-apply",
        subresource: "",
      });
    }
    const settle = (object: KubeObject) => readObject(kind, object, this.registry).object;
    const { apiVersion, kind: kindName } = given;
    const given2 = (given.metadata as { name?: unknown }).name;
    const gv = String(apiVersion);
    const result = apply({
      schema: kind.schema,
      live: liveObject,
      entries,
      applied: given as KubeObject,
      writer,
      force,
      ignored: subresource === "" ? (kind.hasStatus ? ["f:status"] : []) : ["f:spec"],
      about: `/${typeof given2 === "string" ? given2 : ""}; ${gv.includes("/") ? gv : `/${gv}`}, Kind=${
        String(kindName)
      }`,
      settle,
    });
    const object = withLastApplied(structuredClone(result.object), given as KubeObject, writer.manager);
    object.metadata.name = name;
    if (live === undefined) {
      return { stored: this.#create(kind, namespace, settle(object), options, result.entries), created: true };
    }
    this.#takeNamespace(kind, object, namespace);
    const stored = this.#replace(kind, live, object, subresource, options, true, result.entries);
    return { stored, created: false };
  }

  #checkedConfig({ kind, name }: Target, config: unknown): Record<string, unknown> {
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
      return { object: dryRun ? marked : this.store.put(kind.table, marked), removed: false };
    }
    if (ending && asked !== undefined && asked >= (old.metadata.deletionGracePeriodSeconds ?? 0) && asked > 0) {
      return { object: old, removed: false };
    }
    if (ending && asked === undefined) return { object: old, removed: false };
    const marked = this.#marked(old, grace, finalizers);
    if (dryRun) return { object: marked, removed: grace === 0 };
    // The real server writes the shortened grace first, then removes: watchers see both.
    const stored = this.store.put(kind.table, marked);
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
    return { object: dryRun ? ending : this.store.put(kind.table, ending), removed: false };
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
    if (node === "") {
      throw invalid({ group: "", kind: "Binding" }, "", [{
        reason: "FieldValueRequired",
        message: "Required value",
        field: "target.name",
      }]);
    }
    const scheduled = {
      type: "PodScheduled",
      status: "True",
      lastProbeTime: null,
      lastTransitionTime: this.#timestamp(),
    };
    const bound = withCondition(old, scheduled);
    this.store.put(target.kind.table, { ...bound, spec: { ...(old.spec as object), nodeName: node } });
  }

  #write(kind: Kind, object: KubeObject, managedFields: string | undefined): Stored {
    const stored = this.store.write(kind.table, storedForm(kind, object), managedFields, kind.custom);
    return shown(kind, stored);
  }

  /** Removes an object without finalizers that is being deleted; keeps any other. */
  #settle(kind: Kind, object: KubeObject, managedFields: string | undefined): Stored {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
    if (deletionTimestamp === undefined || finalizers.length > 0 || deletionGracePeriodSeconds > 0) {
      return this.#write(kind, object, managedFields);
    }
    this.store.remove(kind.table, object);
    return new Stored(object, managedFields);
  }

  /** Removes it; returns its last state, with the version of the deletion. */
  #remove(kind: Kind, object: KubeObject): KubeObject {
    const last = this.store.remove(kind.table, storedForm(kind, object));
    return { ...object, metadata: { ...object.metadata, resourceVersion: last.metadata.resourceVersion as string } };
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
    before: Stored,
    object: KubeObject,
    subresource: string,
    options: WriteOptions,
    isPatch: boolean,
    applied?: readonly ManagedFieldsEntry[],
  ): Stored {
    const old = before.object;
    const { name } = old.metadata;
    const given = object.metadata.resourceVersion;
    if (given && given !== old.metadata.resourceVersion) throw conflict(kind, name);
    const uidErrors = this.#uidErrors(kind, object, old, isPatch);
    object.apiVersion = apiVersionOf(kind);
    object.kind = kind.kind;
    const metadataChanges = isPatch ? lifeErrors(object, old) : [];
    const reset = managedReset(object.metadata.managedFields);
    keepMetadata(object, old);
    delete object.metadata.managedFields;
    const finalizerErrors = refuseNewFinalizers(object, old);
    const around = this.#around(options);
    const special = subresource === "" || subresource === "status" ? undefined : kind.subresources[subresource];
    const part = special?.as === "part" ? special : undefined;
    kind.strategy.admit?.(object, old, around);
    if (part !== undefined) part.take(object, old, around);
    else if (subresource === "status") takeStatus(kind, object, old);
    else if (kind.hasStatus && kind.strategy.statusIsOpen !== true) keepStatus(object, old);
    const entries = applied ?? this.#ownersAfter(kind, before, object, subresource, options, reset);
    if (subresource === "status") kind.strategy.prepareStatus?.(object, old, around);
    else if (part === undefined) kind.strategy.prepareUpdate?.(object, old);
    const isCounted = subresource !== "status" && kind.strategy.generation === true &&
      (!deepEqual(counted(kind, object), counted(kind, old)) ||
        (kind.strategy.generationCountsAnnotations === true &&
          !deepEqual(object.metadata.annotations ?? {}, old.metadata.annotations ?? {})));
    if (isCounted) {
      object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
    this.#refuseInvalid(kind, object, old, [...uidErrors, ...metadataChanges, ...finalizerErrors], subresource, part);
    if (subresource === "" && kind.strategy.allocate !== undefined) this.#allocate(kind, object);
    object.metadata.resourceVersion = old.metadata.resourceVersion as string;
    const managed = entriesText(entries);
    if (deepEqual(object, old) && managed === (before.managedFields ?? entriesText([]))) return before; // nothing changes: the version stays
    if (options.isDryRun) return new Stored(object, managed);
    return this.#settle(kind, object, managed);
  }

  #uidErrors(kind: Kind, object: KubeObject, old: KubeObject, isPatch: boolean): Cause[] {
    const { uid } = object.metadata;
    if (!uid || uid === old.metadata.uid) return [];
    if (isPatch || kind.custom !== undefined) {
      return [{
        reason: "FieldValueInvalid",
        message: `Invalid value: ${JSON.stringify(uid)}: field is immutable`,
        field: "metadata.uid",
      }];
    }
    const { name, namespace } = old.metadata;
    const path = `/registry/${kind.plural}/${namespace === undefined ? "" : `${namespace}/`}${name}`;
    throw conflict(
      kind,
      name,
      `StorageError: invalid object, Code: 4, Key: ${path}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }

  /** Reports problems of a body as the client asked. */
  #judged(kind: Kind, read: Read, { validation = "Ignore", warn }: WriteOptions): Read {
    const { problems } = read;
    if (problems.length === 0 || validation === "Ignore") return read;
    if (validation === "Strict") throw cannotBeHandled(kind, `strict decoding error: ${problems.join(", ")}`);
    for (const problem of problems) warn?.(problem);
    return read;
  }

  #writer(kind: Kind, subresource: string, { manager }: WriteOptions): Writer | undefined {
    if (manager === undefined) return undefined;
    return { manager, apiVersion: apiVersionOf(kind), subresource, time: this.#timestamp() };
  }

  #ownersAtCreation(
    kind: Kind,
    object: KubeObject,
    options: WriteOptions,
    applied: readonly ManagedFieldsEntry[] | undefined,
  ): readonly ManagedFieldsEntry[] | undefined {
    if (applied !== undefined) return applied;
    const writer = this.#writer(kind, "", options);
    if (writer === undefined) return undefined;
    const given = managedReset(object.metadata.managedFields);
    if (given?.length === 0) return [];
    const isStatusLost = kind.hasStatus && kind.strategy.statusIsOpen !== true;
    const empty = emptyObject(kind);
    // What the server will drop is nobody's.
    const seen = isStatusLost ? { ...object, status: empty.status } : object;
    return owners(given, () => afterUpdate(kind.schema, given ?? [], empty, seen, writer));
  }

  #ownersAfter(
    kind: Kind,
    before: Stored,
    object: KubeObject,
    subresource: string,
    options: WriteOptions,
    reset: readonly ManagedFieldsEntry[] | undefined,
  ): readonly ManagedFieldsEntry[] {
    const writer = this.#writer(kind, subresource, options);
    if (reset?.length === 0) return [];
    const entries = reset ?? before.entries;
    if (writer === undefined || entries.length === 0) return entries;
    return owners(
      entries,
      () => afterUpdate(kind.schema, entries, before.object, object, writer, subresource !== "scale"),
    );
  }

  /** A generated name that nothing has; after some tries any. */
  #freeName(kind: Kind, object: KubeObject, begin: string): string {
    let name = "";
    for (let tried = 0; tried < NAME_TRIES; tried++) {
      name = begin + this.#suffix();
      const key = keyOf({ ...object, metadata: { ...object.metadata, name } });
      if (this.store.get(kind.table, key) === undefined) break;
    }
    return name;
  }

  #around(options: WriteOptions): Surroundings {
    return {
      find: (table, key) => this.store.get(table, key),
      list: (table, namespace) => this.store.list(table, namespace),
      now: this.#now,
      suffix: () => this.#suffix(),
      user: options.user ?? system,
      warn: options.warn ?? (() => {}),
    };
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

  #refuseInvalid(
    kind: Kind,
    object: KubeObject,
    old: KubeObject | undefined,
    found: readonly Cause[] = [],
    subresource = "",
    part?: Part,
  ): void {
    const own = old !== undefined && part !== undefined
      ? part.validate?.(object, old)
      : old !== undefined && subresource === "status"
      ? kind.strategy.validateStatus?.(object, old) ??
        (kind.custom === undefined ? [] : kind.strategy.validate?.(object, old))
      : kind.strategy.validate?.(object, old);
    const causes = [
      ...found,
      ...metadataErrors(object.metadata, kind.strategy.nameForm ?? "subdomain"),
      ...own ?? [],
    ];
    if (causes.length === 0) return;
    // kube-apiserver looks at the metadata of built-in kinds twice, and tells it twice.
    const told = kind.custom === undefined ? [...found, ...causes] : causes;
    const group = kind.strategy.messageGroup ?? kind.group;
    throw invalid({ group, kind: kind.kind }, object.metadata.name ?? "", told);
  }

  #allocate(kind: Kind, object: KubeObject): void {
    const { allocate } = kind.strategy;
    if (allocate === undefined) return;
    const others = this.store.list(kind.table).filter((other) => other.metadata.uid !== object.metadata.uid);
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

/** What is stored, as a version of its kind shows it. */
export function shown(kind: Kind, stored: Stored): Stored {
  const { object } = stored;
  const isSame = object.apiVersion === apiVersionOf(kind) &&
    (kind.custom === undefined || stored.schema === kind.custom);
  if (isSame || kind.strategy.show === undefined) return stored;
  const result = new Stored(kind.strategy.show(object), stored.managedFields);
  result.schema = kind.custom;
  return result;
}

function storedForm(kind: Kind, object: KubeObject): KubeObject {
  return kind.strategy.store?.(object) ?? object;
}

/** Who owns what after a write. An object that can't be divided into fields keeps its owners: its kind's rules judge it. */
function owners<T>(kept: T, find: () => readonly ManagedFieldsEntry[]): readonly ManagedFieldsEntry[] | T {
  try {
    return find();
  } catch (error) {
    if (error instanceof TypedError) return kept;
    throw error;
  }
}

/** The entries that a client sent; an empty list where it asks to forget them all (`[{}]`), undefined where it says nothing. */
function managedReset(given: unknown): readonly ManagedFieldsEntry[] | undefined {
  if (!Array.isArray(given) || given.length === 0) return undefined;
  const entries = given as ManagedFieldsEntry[];
  if (entries.length === 1 && Object.keys(entries[0] as object).length === 0) return [];
  const isGood = entries.every(({ fieldsType, operation }) =>
    fieldsType === "FieldsV1" && (operation === "Apply" || operation === "Update")
  );
  return isGood ? entries : undefined;
}

function resetStatus(kind: Kind, object: KubeObject): void {
  const status = emptyStatus(kind);
  if (status === undefined) delete object.status;
  else object.status = status;
}

function keepStatus(object: KubeObject, old: KubeObject): void {
  if (old.status === undefined) delete object.status;
  else object.status = old.status;
}

/** A patch can't begin or change a deletion. */
function lifeErrors(object: KubeObject, old: KubeObject): Cause[] {
  return (["deletionTimestamp", "deletionGracePeriodSeconds"] as const).flatMap((field): Cause[] => {
    const value = object.metadata[field];
    if (value === undefined || value === old.metadata[field]) return [];
    return [{
      reason: "FieldValueInvalid",
      message: `Invalid value: ${
        field === "deletionTimestamp" ? goTime(String(value)) : String(value)
      }: field is immutable`,
      field: `metadata.${field}`,
    }];
  });
}

/** A time as Go prints it. */
function goTime(text: string): string {
  return `${new Date(text).toISOString().replace("T", " ").replace(/\.\d+Z$/, "")} +0000 UTC`;
}

function refuseOtherType(kind: Kind, { apiVersion, kind: name }: Readonly<Record<string, unknown>>): ApiError {
  const causes: Cause[] = [];
  const wanted = apiVersionOf(kind);
  if (apiVersion !== wanted) {
    causes.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(apiVersion)}: must be ${wanted}`,
      field: "apiVersion",
    });
  }
  if (name !== kind.kind) {
    causes.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(name)}: must be ${kind.kind}`,
      field: "kind",
    });
  }
  return invalid(kind, "", causes);
}

function otherName(found: string, wanted: string): ApiError {
  return badRequest(`the name of the object (${found}) does not match the name on the URL (${wanted})`);
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
  const text = Buffer.from(token, "base64url").toString("latin1");
  const why = jsonError(text) ?? "its fields are not those of a token";
  throw badRequest(`invalid continue token: continue key is not valid: ${why}`);
}
