// Writes whose answers nobody reads, made after all other calls that wait for the API.
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { type DeleteOptions, type KubeClient, objectPath, type ObjectRef } from "./client.ts";
import { pathOf, type Resource } from "./resource.ts";

const manner = { rank: "last", isUnread: true } as const;

/** Every method rejects as KubeClient's do. */
export class UnreadWrites {
  readonly #client: Pick<KubeClient, "call">;

  constructor(client: Pick<KubeClient, "call">) {
    this.#client = client;
  }

  async create(resource: Resource, object: KubeObject): Promise<void> {
    await this.#client.call("POST", pathOf(resource, object.metadata.namespace), object, manner);
  }

  /** A merge patch of the object's status. */
  async patchStatus(ref: ObjectRef, patch: unknown): Promise<void> {
    const contentType = "application/merge-patch+json";
    await this.#client.call("PATCH", `${objectPath(ref)}/status`, patch, { ...manner, contentType });
  }

  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    await this.#client.call("DELETE", objectPath(ref), options, manner);
  }
}
