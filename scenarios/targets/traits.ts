// What a target can show and do, and what it is called: follows from what it is made of.
import { quicProblem } from "../../base/transport/quic.ts";
import { capabilities, type Capability } from "../model/capabilities.ts";
import type { CloudcoreChoice, LocalOptions } from "./local-options.ts";

/** Patience with other people's programs. */
const CLUSTER_PATIENCE = 5;
const FOREIGN_CLOUD_PATIENCE = 15;

/** What is lacking with a cloudcore whose inside can't be seen or set up from here. */
const lackingOutside: readonly Capability[] = [
  "cloudcore-settings",
  "cloud-messages",
  "cloud-metrics",
  "quic",
  "csi",
  "services",
  "legacy-edges",
  "cloudcore-replicas",
  "clock-steps",
];

/** What is lacking with a cloudcore of that kind. */
const lackingWith: Readonly<Record<CloudcoreChoice["runs"], readonly Capability[]>> = {
  here: [],
  process: ["cloudcore-settings", "csi", "legacy-edges", "quic", "clock-steps"],
  go: lackingOutside,
  container: [...lackingOutside, "cloudcore-kill"],
  elsewhere: [...lackingOutside, "cloudcore-restart", "cloudcore-kill"],
};

/** What is lacking where the API server is not ours. */
const lackingOnCluster: readonly Capability[] = [
  "apiserver-restart",
  "apiserver-faults",
  "clock-steps",
  "legacy-edges",
];

/** What is lacking where edges are not simulated: they are looked at through the API alone. */
const lackingWithRealEdges: readonly Capability[] = [
  "enrolment",
  "link-faults",
  "device-twins",
  "edge-control",
  "edge-stores",
  "edge-messages",
];

/** How many cloudcores all scenarios of the target share. */
export function standingReplicas(cloudcore: CloudcoreChoice): number {
  return cloudcore.runs === "go" || cloudcore.runs === "container" ? cloudcore.replicas ?? 1 : 1;
}

/** The name, capabilities and patience of a target. */
export function traitsOf(options: LocalOptions): {
  readonly name: string;
  readonly capabilities: ReadonlySet<Capability>;
  readonly patience: number;
} {
  const cloudcore = options.cloudcore ?? { runs: "here" };
  const isCluster = options.kubeconfig !== undefined || options.image !== undefined;
  const isOurs = cloudcore.runs === "here" || cloudcore.runs === "process" ||
    cloudcore.runs === "container" && cloudcore.isOurs;
  const lacking = new Set<Capability>([
    ...(isCluster ? lackingOnCluster : []),
    ...lackingWith[cloudcore.runs],
    ...(quicProblem() === undefined ? [] : ["quic" as const]),
    // Edges that come with certificates of ours don't enrol.
    ...(cloudcore.runs === "elsewhere" && cloudcore.address.token === undefined ? ["enrolment" as const] : []),
    ...(options.nodes === undefined && options.edgecore === undefined ? [] : lackingWithRealEdges),
  ]);
  if (standingReplicas(cloudcore) > 1) lacking.delete("cloudcore-replicas");
  for (const capability of options.without ?? []) lacking.add(capability);
  for (const capability of options.with ?? []) lacking.delete(capability);
  return {
    name: options.name ?? nameOf(options, cloudcore, isCluster),
    capabilities: new Set(capabilities.filter((capability) => !lacking.has(capability))),
    patience: options.patience ??
      (!isOurs || options.edgecore !== undefined
        ? FOREIGN_CLOUD_PATIENCE
        : isCluster || cloudcore.runs === "container"
        ? CLUSTER_PATIENCE
        : 1),
  };
}

function nameOf({ image, kubeconfig }: LocalOptions, cloudcore: CloudcoreChoice, isCluster: boolean): string {
  const api = image !== undefined
    ? "image" in image ? image.image : image.apiserver
    : (kubeconfig === undefined ? "the embedded API" : "the cluster of the kubeconfig");
  switch (cloudcore.runs) {
    case "elsewhere":
      return `the cloudcore at ${cloudcore.address.host}`;
    case "go":
      return `the cloudcore ${cloudcore.program} on ${api}`;
    case "container":
      return `the cloudcore in ${cloudcore.image} on ${api}`;
    case "process":
      return `a cloudcore with a process of its own on ${api}`;
    case "here":
      return isCluster ? api : "the embedded target";
  }
}
