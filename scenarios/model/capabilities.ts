// What targets can show and do: the words that scenarios need and targets have.

/** What a target can show or do; a scenario that needs more is skipped with the reason. */
export const capabilities = [
  "pods",
  "configmaps",
  "device-twins",
  "link-faults",
  "cloudcore-restart",
  "cloudcore-settings",
  "cloudcore-kill",
  "cloudcore-replicas",
  "apiserver-restart",
  "apiserver-faults",
  "clock-steps",
  "cloud-messages",
  "cloud-metrics",
  "enrolment",
  "quic",
  "csi",
  "services",
  "legacy-edges",
  "edge-control",
  "edge-stores",
  "edge-messages",
  "exec",
] as const;
export type Capability = typeof capabilities[number];

/** What each of them means, for the reference. */
export const capabilityMeanings: Readonly<Record<Capability, string>> = {
  pods: "pods run on its edges",
  configmaps: "edges get the configmaps and secrets of their pods",
  "device-twins": "its edges have devices that report and take values",
  "link-faults": "the links of its edges can be made bad",
  "cloudcore-restart": "its cloudcore can be stopped and started",
  "cloudcore-settings": "its cloudcore can be set up as the scenario says",
  "cloudcore-kill": "its cloudcore has a process that can be killed",
  "cloudcore-replicas": "several of its cloudcores can serve the same API",
  "apiserver-restart": "its API server can be restarted",
  "apiserver-faults": "its API server can be made to fail",
  "clock-steps": "the clocks of its cloudcore and API server can be set",
  "cloud-messages": "what its cloudcore does with each message can be seen",
  "cloud-metrics": "the gauges and counters of its cloudcore can be seen",
  enrolment: "its edges enrol with a token",
  quic: "its cloudcore has a QUIC server",
  csi: "its cloudcore has the CSI driver's socket",
  services: "its cloudcore sends services and endpoints to edges of v1.1",
  "legacy-edges": "it takes edges of KubeEdge v1.1, with devices of v1alpha1",
  "edge-control": "its edges can be started, stopped and made to ask or to fail",
  "edge-stores": "what its edges hold, and what their devices have, can be seen",
  "edge-messages": "what its edges send and get can be seen",
  exec: "commands may be run on this machine: --allow-exec",
};
