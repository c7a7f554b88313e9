// Which controllers there are, and starts those that were chosen.
import type { Controller, ControllerDeps } from "./controller.ts";
import { definitions } from "./definitions.ts";
import { disruption } from "./disruption.ts";
import { endpointSlices } from "./endpoint-slices.ts";
import { endpoints } from "./endpoints.ts";
import { eventExpiry } from "./events.ts";
import { garbageCollector } from "./garbage-collector.ts";
import { Indices } from "./indices.ts";
import { chosenControllers } from "./names.ts";
import { namespaceLifecycle } from "./namespaces.ts";
import { nodeLifecycle } from "./node-lifecycle.ts";
import { podGarbageCollector } from "./pod-garbage-collector.ts";
import { scheduler } from "./scheduler.ts";
import { rootCa, serviceAccounts } from "./service-accounts.ts";
import { taintEviction } from "./taint-eviction.ts";
import { cronJobs } from "./workloads/cron-jobs.ts";
import { daemonSets } from "./workloads/daemon-sets.ts";
import { deployments } from "./workloads/deployments.ts";
import { jobs } from "./workloads/jobs.ts";
import { replicaSets, replicationControllers } from "./workloads/replica-sets.ts";
import { statefulSets } from "./workloads/stateful-sets.ts";

/** Without these an API server does not serve custom resources or admit pods. */
const ofEveryServer: readonly Controller[] = [definitions, serviceAccounts];

/** Those of kube-scheduler and kube-controller-manager, which can be switched off. */
export const switchable: readonly Controller[] = [
  scheduler,
  deployments,
  replicaSets,
  replicationControllers,
  daemonSets,
  statefulSets,
  jobs,
  cronJobs,
  endpoints,
  endpointSlices,
  disruption,
  eventExpiry,
  garbageCollector,
  namespaceLifecycle,
  nodeLifecycle,
  podGarbageCollector,
  rootCa,
  taintEviction,
];

/** Starts them with common indices. Returns a function that stops them. */
export function startControllers(
  which: boolean | readonly string[],
  deps: Omit<ControllerDeps, "indices">,
): () => void {
  const indices = new Indices(deps.resources.store);
  const chosen = which === false ? new Set<string>() : chosenControllers(which === true ? ["*"] : which);
  const started = [...ofEveryServer, ...switchable.filter(({ name }) => chosen.has(name))];
  const stops = started.map((controller) => controller.start({ ...deps, indices }));
  return () => {
    for (const stop of stops) stop();
    indices.stop();
  };
}
