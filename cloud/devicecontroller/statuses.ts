// The DeviceStatus of each Device: made when missing, patched with what its edge reports.
import { isNewerVersion } from "../../protocol/apis/kube-object.ts";
import { type Device, deviceApi, type DeviceStatus, emptyDeviceStatus } from "../../protocol/apis/device.ts";
import type { Caches } from "../kube/caches.ts";
import { isAlreadyExists } from "../kube/client.ts";
import type { Informer } from "../kube/informer.ts";
import { resources } from "../kube/resource.ts";

/** What is merged into a DeviceStatus. */
export type DeviceStatusChange = NonNullable<DeviceStatus["status"]>;

/** Reads through the cache, but never behind its own writes. */
export class DeviceStatuses {
  readonly #caches: Caches;
  readonly #informer: Informer;
  /** Our last write of each, until the cache has caught up with it. */
  readonly #written = new Map<string, DeviceStatus>();

  constructor(caches: Caches) {
    this.#caches = caches;
    this.#informer = caches.of(resources.devicestatuses);
    this.#informer.subscribe(({ type, object }) => {
      const key = `${object.metadata.namespace}/${object.metadata.name}`;
      const written = this.#written.get(key);
      if (written === undefined) return;
      const isBehind = isNewerVersion(written.metadata.resourceVersion, object.metadata.resourceVersion);
      if (type === "deleted" || !isBehind) this.#written.delete(key);
    });
  }

  /** The status of a device; created where there is none, or where the existing one belongs to a deleted device of the same name. */
  async ensure(device: Device): Promise<DeviceStatus> {
    const { namespace = "default", name } = device.metadata;
    const known = this.#written.get(`${namespace}/${name}`) ??
      this.#informer.get(namespace, name) as DeviceStatus | undefined;
    if (known !== undefined && belongsTo(known, device)) return known;
    const { client } = this.#caches;
    const ref = { resource: resources.devicestatuses, namespace, name };
    const create = () => client.create(resources.devicestatuses, emptyDeviceStatus(device)) as Promise<DeviceStatus>;
    if (known === undefined) {
      try {
        return this.#remember(await create());
      } catch (error) {
        // The cache is behind.
        if (!isAlreadyExists(error)) throw error;
      }
    }
    const stored = await client.find(ref) as DeviceStatus | undefined;
    if (stored !== undefined && belongsTo(stored, device)) return this.#remember(stored);
    // Without a garbage collector the status of a deleted device stays; a new device must not inherit it.
    if (stored !== undefined) await client.delete(ref);
    return this.#remember(await create());
  }

  /** Merges `status` into the stored one. */
  async patch(device: Device, status: DeviceStatusChange): Promise<void> {
    const { namespace = "default", name } = device.metadata;
    const ref = { resource: resources.devicestatuses, namespace, name };
    this.#remember(await this.#caches.client.patch(ref, "merge", { status }) as DeviceStatus);
  }

  #remember(status: DeviceStatus): DeviceStatus {
    this.#written.set(`${status.metadata.namespace}/${status.metadata.name}`, status);
    return status;
  }
}

function belongsTo(status: DeviceStatus, device: Device): boolean {
  const owner = status.metadata.ownerReferences?.find((o) => o.apiVersion === deviceApi && o.kind === "Device");
  return owner === undefined || owner.uid === device.metadata.uid;
}
