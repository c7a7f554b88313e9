// One version of a stored object: what programs read, who owns its fields, and its text.
import "../../../protocol/json.ts"; // JSON.stringify of large whole numbers
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { entriesOf, type ManagedFieldsEntry } from "../apply/managers.ts";

/** Never changed. Its text is made on first use and kept: lists and watches copy it. */
export class Stored {
  /** Without `metadata.managedFields`, which only clients of the API read. */
  readonly object: KubeObject;
  /** `metadata.managedFields` as JSON; undefined where nobody's fields are recorded. */
  readonly managedFields: string | undefined;
  /** The schema by which a custom resource was read: under another one it is read anew. */
  schema: unknown;
  #body: string | undefined;

  constructor(object: KubeObject, managedFields: string | undefined) {
    this.object = object;
    this.managedFields = managedFields;
  }

  /** The object as JSON without its kind and apiVersion, as lists of built-in kinds have it. */
  get body(): string {
    return this.#body ??= this.#written();
  }

  /** The whole object as JSON. */
  get text(): string {
    const { apiVersion, kind } = this.object;
    return `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},${this.body.slice(1)}`;
  }

  get entries(): readonly ManagedFieldsEntry[] {
    return this.managedFields === undefined ? [] : entriesOf(this.managedFields);
  }

  /** The whole object, its managed fields as values. */
  get whole(): KubeObject {
    const { managedFields, object } = this;
    if (managedFields === undefined) return object;
    return { ...object, metadata: { ...object.metadata, managedFields: this.entries } };
  }

  #written(): string {
    const { apiVersion: _a, kind: _k, metadata, ...rest } = this.object;
    const { managedFields } = this;
    const own = JSON.stringify(metadata);
    const all = managedFields === undefined ? own : `${own.slice(0, -1)},"managedFields":${managedFields}}`;
    const others = JSON.stringify(rest);
    return `{"metadata":${all}${others === "{}" ? "}" : `,${others.slice(1)}`}`;
  }
}
