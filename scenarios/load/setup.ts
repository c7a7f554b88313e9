// What a load run needs before its first phase: a namespace, devices, configmaps, pods that stand.
import type { KubeClient } from "../../cloud/kube/client.ts";
import { hasCode } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { atOnce } from "../../base/queue/at-once.ts";
import { edgeName } from "../../edge-sim/fleet/fleet.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { createDevices, readModel } from "../cohorts/devices.ts";
import { runLabel } from "../model/run-label.ts";
import { edgesOf, type LoadProfile } from "./profile.ts";

/** A device that can be made to report, and asked for another value. */
export interface LoadDevice {
  readonly edge: string;
  readonly name: string;
  /** A property that it reports, whether its values are texts, and one that takes desired values, with its place in the device. */
  readonly reported: string;
  readonly isText: boolean;
  readonly desired: string | undefined;
  readonly desiredAt: number;
}

/** A configmap that operations change, and how many edges use it. */
export interface LoadConfigMap {
  readonly name: string;
  readonly users: number;
}

/** What operations work with. */
export interface Prepared {
  readonly namespace: string;
  readonly edges: readonly string[];
  readonly devices: readonly LoadDevice[];
  readonly configmaps: readonly LoadConfigMap[];
  /** Pods that stand, each by its name and edge. */
  readonly standing: readonly {
    readonly name: string;
    readonly edge: string;
    readonly configmaps: readonly string[];
  }[];
}

/** Calls of the API at the same time. */
const AT_ONCE = 32;
/** Bytes of the configmaps that standing pods have of their own. */
const OWN_SIZE = 1024;

/** What the profile asks for, by name; nothing is made yet. Rejects with InputFileError or CohortError for wrong models. */
export async function prepare(profile: LoadProfile, run: string): Promise<Prepared> {
  const { fleet, mix, position, standing } = profile;
  const edges = fleet.flatMap(({ cohort, count = 1 }) => Array.from({ length: count }, (_, i) => edgeName(cohort, i)));
  const changed = mix.find(({ kind }) => kind === "configmaps");
  const isAsked = mix.some(({ kind }) => kind === "queries");
  const count = changed?.count ?? (isAsked ? 1 : 0);
  const users = Math.min(edges.length, changed?.edges ?? Infinity);
  const configmaps = Array.from({ length: count }, (_, i) => ({ name: `load-${i}`, users }));
  // Configmap i is used by `users` edges from the i-th part of the fleet on.
  const usedBy = new Map<number, string[]>();
  for (const [i, { name }] of configmaps.entries()) {
    const first = Math.floor(i * edges.length / Math.max(1, count));
    for (let u = 0; u < users; u++) {
      const edge = (first + u) % edges.length;
      usedBy.set(edge, [...usedBy.get(edge) ?? [], name]);
    }
  }
  const pods = edges.flatMap((edge, i) => {
    const shared = usedBy.get(i) ?? [];
    const each = Math.max(standing.podsPerEdge, shared.length > 0 ? 1 : 0);
    return Array.from({ length: each }, (_, p) => {
      const name = `standing-${edge}-${p}`;
      const own = Array.from({ length: standing.configmapsPerPod }, (_, c) => `${name}-${c}`);
      return { name, edge, configmaps: [...own, ...(p === 0 ? shared : [])] };
    });
  });
  const devices: LoadDevice[] = [];
  for (const { cohort, count: edgesOfCohort = 1, devices: wanted = [] } of fleet) {
    for (const { model, perEdge = 1 } of wanted) {
      const { spec } = await readModel(model, position.file);
      const properties = spec?.properties ?? [];
      const reported = properties.find(({ type }) => type === "STRING") ?? properties[0];
      const desiredAt = properties.findIndex(({ accessMode, maximum }) =>
        accessMode !== "ReadOnly" && maximum === undefined
      );
      if (reported === undefined) continue;
      for (let e = 0; e < edgesOfCohort; e++) {
        for (let d = 0; d < perEdge; d++) {
          devices.push({
            edge: edgeName(cohort, e),
            name: `${edgeName(cohort, e)}-${model}-${d}`,
            reported: reported.name,
            isText: reported.type === "STRING",
            desired: properties[desiredAt]?.name,
            desiredAt,
          });
        }
      }
    }
  }
  return { namespace: `skep-load-${run}`, edges, devices, configmaps, standing: pods };
}

/** Makes the namespace, the devices and the configmaps: before edges join, so that joining is what it will be. */
export async function makeObjects(
  kube: KubeClient,
  profile: LoadProfile,
  prepared: Prepared,
  run: string,
  signal: AbortSignal,
): Promise<void> {
  const { configmaps, namespace, standing } = prepared;
  const labels = { [runLabel]: run };
  await kube.create(resources.namespaces, { metadata: { name: namespace, labels } });
  await createDevices(kube, namespace, profile, labels);
  const own = standing.flatMap(({ configmaps: names }) => names.filter((name) => name.startsWith("standing-")));
  const size = profile.mix.find(({ kind }) => kind === "configmaps")?.size ?? OWN_SIZE;
  const all = [...own.map((name) => ({ name, size: OWN_SIZE })), ...configmaps.map(({ name }) => ({ name, size }))];
  await atOnce(all, AT_ONCE, async ({ name, size }) => {
    signal.throwIfAborted();
    await kube.create(resources.configmaps, configmapOf(namespace, name, "0", size, labels));
  });
}

/** A configmap whose value tells its version, filled up to a size. */
export function configmapOf(
  namespace: string,
  name: string,
  version: string,
  size: number,
  labels: Readonly<Record<string, string>>,
): KubeObject {
  return { metadata: { name, namespace, labels }, data: { value: valueOf(version, size) } };
}

/** A text of so many bytes that begins with a version. */
export function valueOf(version: string, size: number): string {
  return `${version} `.padEnd(size, "x").slice(0, Math.max(size, version.length));
}

/** A pod on an edge, whose configmaps it reads as volumes. */
export function podOf(
  { namespace }: Pick<Prepared, "namespace">,
  { configmaps, edge, name }: Prepared["standing"][number],
  run: string,
): KubeObject {
  return {
    metadata: { name, namespace, labels: { [runLabel]: run } },
    spec: {
      nodeName: edge,
      terminationGracePeriodSeconds: 1,
      tolerations: [{ operator: "Exists" }],
      containers: [{
        name: "main",
        image: "registry.example/load:1",
        volumeMounts: configmaps.map((_, i) => ({ name: `config-${i}`, mountPath: `/etc/config-${i}` })),
      }],
      volumes: configmaps.map((config, i) => ({ name: `config-${i}`, configMap: { name: config } })),
    },
  };
}

/** Removes what a run has made in a cluster that is not its own; what is gone already is no error. */
export async function removeObjects(kube: KubeClient, prepared: Prepared, run: string): Promise<void> {
  const quietly = async (what: Promise<unknown>) => {
    try {
      await what;
    } catch (error) {
      if (!hasCode(error, 404)) throw error;
    }
  };
  const nodes = await kube.list(resources.nodes, { labelSelector: `${runLabel}=${run}` });
  await atOnce(
    nodes.items,
    AT_ONCE,
    ({ metadata: { name } }) => quietly(kube.delete({ resource: resources.nodes, name })),
  );
  await quietly(kube.delete({ resource: resources.namespaces, name: prepared.namespace }));
}

/** How many objects a profile makes before its first phase. */
export function objectCount(profile: LoadProfile, prepared: Prepared): number {
  return 1 + prepared.devices.length + prepared.standing.length * (1 + profile.standing.configmapsPerPod) +
    prepared.configmaps.length + edgesOf(profile);
}
