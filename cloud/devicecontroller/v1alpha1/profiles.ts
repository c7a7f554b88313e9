// The device profiles of v1.1: a ConfigMap for each node, which its mappers mount to know their devices (KubeEdge v1.1 `cloud/pkg/devicecontroller/controller/downstream.go`).
import {
  type DeviceModelV1alpha1,
  type DeviceV1alpha1,
  nodeOfV1alpha1,
  profileKey,
  profileOf,
  profilePrefix,
} from "../../../protocol/apis/device-v1alpha1.ts";
import { type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Caches } from "../../kube/caches.ts";
import { hasCode } from "../../kube/client.ts";
import { resources } from "../../kube/resource.ts";
import { WorkQueue, type WorkQueueDeps } from "../../kube/work-queue.ts";

/** Injected dependencies. */
export interface DeviceProfilesDeps extends WorkQueueDeps {
  readonly caches: Caches;
}

/** Tells our profiles from other people's ConfigMaps. */
const managed = { "app.kubernetes.io/managed-by": "skep" };

/** A profile always follows from the present devices and models; foreign changes are overwritten. */
export class DeviceProfiles {
  readonly #deps: DeviceProfilesDeps;
  readonly #devicesOn: (node: string) => readonly DeviceV1alpha1[];
  readonly #queue: WorkQueue;

  /** `devicesOn` gives the devices that a node of v1.1 has. */
  constructor(deps: DeviceProfilesDeps, devicesOn: (node: string) => readonly DeviceV1alpha1[]) {
    this.#deps = deps;
    this.#devicesOn = devicesOn;
    this.#queue = new WorkQueue("device profiles", deps, (key) => this.#reconcile(key));
  }

  start(): void {
    const { caches } = this.#deps;
    caches.of(resources.devicemodelsV1alpha1).subscribe(({ object }) => {
      const { name, namespace = "" } = object.metadata;
      for (const device of caches.of(resources.devicesV1alpha1).list() as DeviceV1alpha1[]) {
        const isOfModel = device.spec?.deviceModelRef?.name === name && device.metadata.namespace === namespace;
        if (isOfModel && nodeOfV1alpha1(device) !== "") this.enqueue(namespace, nodeOfV1alpha1(device));
      }
    });
    // Profiles left over from devices deleted while cloudcore was down, and profiles changed by others.
    caches.of(resources.configmaps).subscribe(({ object: { metadata } }) => {
      if (metadata.name.startsWith(profilePrefix)) {
        this.enqueue(metadata.namespace ?? "", metadata.name.slice(profilePrefix.length));
      }
    });
  }

  /** A node's devices in a namespace may have changed. */
  enqueue(namespace: string, node: string): void {
    this.#queue.add(`${namespace}/${node}`);
  }

  stop(): void {
    this.#queue.stop();
  }

  async #reconcile(key: string): Promise<void> {
    const { caches } = this.#deps;
    const [namespace = "", node = ""] = key.split("/");
    const name = `${profilePrefix}${node}`;
    const models = caches.of(resources.devicemodelsV1alpha1);
    const devices = this.#devicesOn(node).filter(({ metadata }) => metadata.namespace === namespace)
      .sort(inOrderOfCreation);
    const profile = profileOf(
      devices,
      ({ spec }) => models.get(namespace, spec?.deviceModelRef?.name ?? "") as DeviceModelV1alpha1 | undefined,
    );
    const stored = caches.of(resources.configmaps).get(namespace, name);
    if (Object.keys(profile).length === 0) return await this.#remove(stored, devices.length);
    const data = { [profileKey]: JSON.stringify(profile) };
    if (stored === undefined) {
      const metadata = { name, namespace, labels: managed };
      await caches.client.create(resources.configmaps, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
    } else if (textAt(stored, "data", profileKey) !== data[profileKey]) {
      const patch = { metadata: { labels: managed }, data };
      await caches.client.patch({ resource: resources.configmaps, namespace, name }, "merge", patch);
    }
  }

  /** A profile of ours without devices goes; one whose devices wait for their models stays as it was, as with Go. */
  async #remove(stored: KubeObject | undefined, devices: number): Promise<void> {
    const isOurs = Object.entries(managed).every(([label, value]) => stored?.metadata.labels?.[label] === value);
    if (stored === undefined || devices > 0 || !isOurs) return;
    const { name, namespace = "", uid = "" } = stored.metadata;
    try {
      const ref = { resource: resources.configmaps, namespace, name };
      await this.#deps.caches.client.delete(ref, { preconditions: { uid } });
    } catch (error) {
      if (!hasCode(error, 404) && !hasCode(error, 409)) throw error;
    }
  }
}

/** A profile lists devices in the order in which they were added. */
function inOrderOfCreation({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number {
  const [left, right] = [a, b].map(({ creationTimestamp, name }) => `${creationTimestamp ?? ""} ${name}`);
  return (left as string) < (right as string) ? -1 : 1;
}
