// The cohorts that `skep fleet` is asked for, and what has to be created for them in the cluster.
import { basename } from "node:path";
import type { KubeClient } from "../cloud/kube/client.ts";
import { fleetLabel } from "../edge-sim/fleet/fleet.ts";
import type { ScenarioCohort } from "../scenarios/cohorts/cohort.ts";
import { UsageError } from "./failure.ts";
import type { FleetFlags } from "./fleet-flags.ts";

const DEFAULT_EDGES = 10;
const DEFAULT_PREFIX = "edge";
/** Where devices are made. */
const NAMESPACE = "default";

/** The cohorts as they are written, each with the label by which `skep clean` finds what they make. */
export async function writtenCohorts(
  { cohorts: file, edges, label, prefix, quicPort }: FleetFlags,
): Promise<ScenarioCohort[]> {
  const labelled = (cohort: ScenarioCohort) => ({
    ...cohort,
    labels: { ...label, ...cohort.labels, [fleetLabel]: "" },
  });
  if (file === undefined) {
    return [labelled({
      cohort: prefix ?? DEFAULT_PREFIX,
      count: edges ?? DEFAULT_EDGES,
      transport: quicPort === undefined ? "websocket" : "quic",
    })];
  }
  if (edges !== undefined || prefix !== undefined) {
    throw new UsageError("--cohorts names and counts the edges: leave --edges and --prefix out");
  }
  const { loadCohorts } = await import("../scenarios/cohorts/read.ts");
  return (await loadCohorts(file)).map(labelled);
}

/** Throws UsageError where the cohorts need what these flags don't give. */
export function refuseCohorts(written: readonly ScenarioCohort[], flags: FleetFlags): void {
  for (const { cohort, devices = [], transport } of written) {
    const where = `${basename(flags.cohorts ?? "")}: cohort ${cohort}`;
    if (transport === "quic" && flags.quicPort === undefined) {
      throw new UsageError(`${where} connects over QUIC: give the hub's port, --quic-port N`);
    }
    if (flags.kubeconfig === undefined && devices.some((d) => d.perEdge !== undefined || d.reports !== undefined)) {
      throw new UsageError(
        `${where}: its devices (perEdge, reports) are made in the cluster: say --kubeconfig FILE, or leave both out and make them yourself`,
      );
    }
  }
}

/** Creates what edges can't create themselves: the Nodes of v1.1 edges, device models and devices. */
export async function makeObjects(kube: KubeClient, written: readonly ScenarioCohort[], file: string): Promise<void> {
  const { createDevices } = await import("../scenarios/cohorts/devices.ts");
  const { makeNodesOfV11 } = await import("../scenarios/cohorts/fleet-cohort.ts");
  await makeNodesOfV11(kube, written, "");
  const position = { file, line: 1, column: 1 };
  await createDevices(kube, NAMESPACE, { fleet: written, position }, { [fleetLabel]: "" });
}
