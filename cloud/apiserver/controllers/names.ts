// The names of the controllers that can be switched off, and how some of them are chosen; without loading any.

/** What each does, by the name that kube-controller-manager has for it. */
export const controllerFacts = {
  scheduler:
    "binds pods to nodes: selector, node affinity, taints, resources, host ports, pods per node, priority; says of the others why they wait",
  deployment:
    "rolls templates out over ReplicaSets (RollingUpdate, Recreate), with revisions, pauses, deadlines and history",
  replicaset: "keeps the number of pods; adopts and lets go by labels",
  replicationcontroller: "the same for ReplicationControllers",
  daemonset: "a pod on each node that takes it; rolling updates with revisions",
  statefulset:
    "numbered pods with claims of their own, in order or in parallel; rolling updates with partitions and revisions",
  job: "pods until enough have succeeded; Indexed, suspend, backoff, deadlines, time to live",
  cronjob: "Jobs by a schedule with time zone; concurrency, history",
  endpoint: "Endpoints of services",
  endpointslice: "EndpointSlices of services, a hundred addresses each",
  disruption: "how many pods of a PodDisruptionBudget may be evicted",
  "event-ttl": "removes Events an hour after they were written last",
  garbagecollector: "removes what has lost its owners; foreground and orphan deletion",
  namespace: "empties namespaces that are being deleted",
  "node-lifecycle": "conditions and taints of nodes that are silent or not ready",
  podgc: "removes pods of nodes that are gone",
  "root-ca-certificate-publisher": "the ConfigMap `kube-root-ca.crt` of each namespace",
  "taint-eviction": "evicts pods that don't tolerate a NoExecute taint, after as long as they tolerate it",
} as const;

/** As kube-controller-manager names them. */
export const controllerNames: readonly string[] = Object.keys(controllerFacts);

/**
 * What `--controllers` chooses, as kube-controller-manager reads it: `*` is all, `-name` leaves one out, and where only
 * `-name`s are given, all others run. Throws an Error that names what is unknown.
 */
export function chosenControllers(words: readonly string[]): ReadonlySet<string> {
  const all = controllerNames;
  for (const word of words) {
    const name = word.replace(/^-/, "");
    if (word === "*" || all.includes(name)) continue;
    throw new Error(`there is no controller ${JSON.stringify(name)}; there are ${all.join(", ")}`);
  }
  const isAll = words.includes("*") || words.every((word) => word.startsWith("-"));
  return new Set(all.filter((name) => !words.includes(`-${name}`) && (isAll || words.includes(name))));
}
