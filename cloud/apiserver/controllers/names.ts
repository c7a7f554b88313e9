// The names of the controllers that can be switched off, and how some of them are chosen; without loading any.

/** As kube-controller-manager names them. */
export const controllerNames = [
  "scheduler",
  "deployment",
  "replicaset",
  "replicationcontroller",
  "daemonset",
  "statefulset",
  "job",
  "cronjob",
  "endpoint",
  "endpointslice",
  "disruption",
  "event-ttl",
  "garbagecollector",
  "namespace",
  "node-lifecycle",
  "podgc",
  "root-ca-certificate-publisher",
  "taint-eviction",
] as const;

/**
 * What `--controllers` chooses, as kube-controller-manager reads it: `*` is all, `-name` leaves one out, and where only
 * `-name`s are given, all others run. Throws an Error that names what is unknown.
 */
export function chosenControllers(words: readonly string[]): ReadonlySet<string> {
  const all: readonly string[] = controllerNames;
  for (const word of words) {
    const name = word.replace(/^-/, "");
    if (word === "*" || all.includes(name)) continue;
    throw new Error(`there is no controller ${JSON.stringify(name)}; there are ${all.join(", ")}`);
  }
  const isAll = words.includes("*") || words.every((word) => word.startsWith("-"));
  return new Set(all.filter((name) => !words.includes(`-${name}`) && (isAll || words.includes(name))));
}
