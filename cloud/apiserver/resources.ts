// Reads and writes objects as the Kubernetes API does; independent of HTTP.
import { randomUUID } from "node:crypto";
import type { Random } from "../../base/random/random.ts";
import { at, isPlainObject, type Json, keyOf, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../protocol/apis/time.ts";
import { entriesText, type ManagedFieldsEntry, type Writer } from "./apply/managers.ts";
import { withCondition } from "./conditions.ts";
import { apiVersionOf, type Kind, type Surroundings, type TokenIssuer } from "./kinds/kind.ts";
import type { Registry } from "./kinds/registry.ts";
import { readObject } from "./objects.ts";
import { type Page, readPage } from "./pages.ts";
import { deepEqual } from "./patch/json-patch.ts";
import { shown, storedForm } from "./shown.ts";
import { alreadyExists, ApiError, badRequest, conflict, invalid, notFound } from "./status.ts";
import type { Store } from "./storage/store.ts";
import { Stored } from "./storage/stored.ts";
import { appliedTo } from "./writes/applied.ts";
import { deleteObject } from "./writes/deletion.ts";
import { lifeErrors, uidErrors } from "./writes/identity.ts";
import { judged, system, type WriteOptions } from "./writes/options.ts";
import { managedReset, ownersAfter, ownersAtCreation, writerOf } from "./writes/owners.ts";
import { readPatched } from "./writes/patched.ts";
import {
  applyPatch,
  counted,
  type DeleteOptions,
  keepMetadata,
  keepStatus,
  refuseNewFinalizers,
  resetStatus,
  takeStatus,
} from "./writes/rules.ts";
import { keyOfTarget, otherName, refuseIfNamespaceEnds, takeNamespace, type Target } from "./writes/target.ts";
import { refuseInvalid } from "./writes/validation.ts";

/** Tries of a patch whose object changed under it; kube-apiserver gives up after five. */
const PATCH_TRIES = 5;
/** Names that are tried where one is to be generated, as by kube-apiserver. */
const NAME_TRIES = 8;
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
    return readPage(this.store, kind, namespace, query);
  }

  /** Creates an object. */
  create(kind: Kind, namespace: string, body: unknown, options: WriteOptions = {}): Stored {
    const { object } = judged(kind, readObject(kind, body, this.registry, options.problems), options);
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
    takeNamespace(kind, object, namespace);
    if (metadata.resourceVersion) {
      throw new ApiError(500, "", "resourceVersion should not be set on objects to be created");
    }
    if (!metadata.name && metadata.generateName) metadata.name = this.#freeName(kind, object, metadata.generateName);
    if (kind.namespaced) refuseIfNamespaceEnds(this.store, kind, namespace, metadata.name);
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    delete metadata.selfLink;
    const managed = ownersAtCreation(kind, object, options, entries, this.#now());
    delete metadata.managedFields;
    metadata.uid = randomUUID();
    metadata.creationTimestamp = this.#timestamp();
    const around = this.#around(options);
    kind.strategy.admit?.(object, undefined, around);
    if (kind.hasStatus && kind.strategy.statusIsOpen !== true) resetStatus(kind, object);
    kind.strategy.prepareCreate?.(object, around);
    if (kind.strategy.generation) metadata.generation = 1;
    refuseInvalid(kind, object, undefined);
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
    const { object } = judged(kind, readObject(kind, body, this.registry, options.problems), options);
    if (!object.metadata.name) {
      throw badRequest(
        `the name of the object (${target.name} based on URL) was undeterminable: name must be provided`,
      );
    }
    if (object.metadata.name !== target.name) throw otherName(object.metadata.name, target.name);
    takeNamespace(kind, object, target.namespace);
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
      const object = readPatched(this.registry, kind, patched, options, old.object);
      if (object.metadata.name !== target.name && object.metadata.name) {
        throw otherName(object.metadata.name, target.name);
      }
      object.metadata.name = target.name;
      takeNamespace(kind, object, target.namespace);
      const given = object.metadata.resourceVersion;
      try {
        return this.#replace(kind, old, object, subresource, options, true);
      } catch (error) {
        const changed = error instanceof ApiError && error.status.reason === "Conflict";
        if (!changed || given !== old.object.metadata.resourceVersion || tried === PATCH_TRIES) throw error;
      }
    }
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
    const existing = this.store.find(kind.table, keyOfTarget(target));
    if (existing === undefined && subresource !== "") throw notFound(kind, name);
    const writer = writerOf(kind, subresource, options, this.#now()) as Writer;
    const live = existing === undefined ? undefined : shown(kind, existing);
    const { entries, object } = appliedTo(this.registry, target, { config, live, writer, force, subresource });
    if (live === undefined) {
      const settled = readObject(kind, object, this.registry).object;
      return { stored: this.#create(kind, namespace, settled, options, entries), created: true };
    }
    takeNamespace(kind, object, namespace);
    return { stored: this.#replace(kind, live, object, subresource, options, true, entries), created: false };
  }

  /** Deletes, or begins to: see `deleteObject`. Returns the object as it now is, and whether it has been removed. */
  delete(target: Target, options: DeleteOptions): { readonly object: KubeObject; readonly removed: boolean } {
    return deleteObject({ store: this.store, now: this.#now() }, target.kind, this.get(target), options);
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
    const otherUid = uidErrors(kind, object, old, isPatch);
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
    const entries = applied ?? ownersAfter(kind, before, object, subresource, options, reset, this.#now());
    if (subresource === "status") kind.strategy.prepareStatus?.(object, old, around);
    else if (part === undefined) kind.strategy.prepareUpdate?.(object, old);
    const isCounted = subresource !== "status" && kind.strategy.generation === true &&
      (!deepEqual(counted(kind, object), counted(kind, old)) ||
        (kind.strategy.generationCountsAnnotations === true &&
          !deepEqual(object.metadata.annotations ?? {}, old.metadata.annotations ?? {})));
    if (isCounted) {
      object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
    refuseInvalid(kind, object, old, [...otherUid, ...metadataChanges, ...finalizerErrors], subresource, part);
    if (subresource === "" && kind.strategy.allocate !== undefined) this.#allocate(kind, object);
    object.metadata.resourceVersion = old.metadata.resourceVersion as string;
    const managed = entriesText(entries);
    if (deepEqual(object, old) && managed === before.managedFields) return before; // nothing changes: the version stays
    if (options.isDryRun) return new Stored(object, managed);
    return this.#settle(kind, object, managed);
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
