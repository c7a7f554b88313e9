// What is particular about each built-in kind. A kind without a line here has no rules but those of its type.
import { apiServices } from "./api-services.ts";
import { certificateRequests } from "./certificates.ts";
import { configmaps } from "./configmaps.ts";
import { definitions } from "./definitions.ts";
import { autoscalers, autoscalersV1, budgets } from "./disruption.ts";
import { endpoints, endpointSlices } from "./endpoints.ts";
import { events, newEvents } from "./events.ts";
import type { KindRules } from "./kind.ts";
import { leases } from "./leases.ts";
import { namespaces } from "./namespaces.ts";
import { ingressClasses, ingresses, networkPolicies } from "./networking.ts";
import { nodes } from "./nodes.ts";
import { limitRanges, priorityClasses, resourceQuotas, runtimeClasses, webhooks } from "./policies.ts";
import { cronJobs, jobs } from "./jobs.ts";
import { pods } from "./pods.ts";
import { clusterRoleBindings, roleBindings, roles } from "./rbac.ts";
import { secrets } from "./secrets.ts";
import { serviceAccounts } from "./service-accounts.ts";
import { services } from "./services.ts";
import { attachments, claims, csiDrivers, csiNodes, storageClasses, volumes } from "./storage.ts";
import {
  controllerRevisions,
  daemonSets,
  deployments,
  podTemplates,
  replicaSets,
  replicationControllers,
  statefulSets,
} from "./workloads.ts";

const extensions = ["api-extensions"];

const rules: Readonly<Record<string, KindRules>> = {
  namespaces,
  nodes,
  pods,
  configmaps,
  secrets,
  serviceaccounts: serviceAccounts,
  services,
  endpoints,
  events,
  "events.events.k8s.io": newEvents,
  "endpointslices.discovery.k8s.io": endpointSlices,
  persistentvolumes: volumes,
  persistentvolumeclaims: claims,
  "volumeattachments.storage.k8s.io": attachments,
  "storageclasses.storage.k8s.io": storageClasses,
  "csinodes.storage.k8s.io": csiNodes,
  "csidrivers.storage.k8s.io": csiDrivers,
  "certificatesigningrequests.certificates.k8s.io": certificateRequests,
  "leases.coordination.k8s.io": leases,
  "customresourcedefinitions.apiextensions.k8s.io": definitions,
  "apiservices.apiregistration.k8s.io": apiServices,
  "deployments.apps": deployments,
  "replicasets.apps": replicaSets,
  "daemonsets.apps": daemonSets,
  "statefulsets.apps": statefulSets,
  "controllerrevisions.apps": controllerRevisions,
  "jobs.batch": jobs,
  "cronjobs.batch": cronJobs,
  replicationcontrollers: replicationControllers,
  podtemplates: podTemplates,
  "poddisruptionbudgets.policy": budgets,
  "horizontalpodautoscalers.autoscaling": autoscalers,
  "horizontalpodautoscalers.autoscaling/v1": autoscalersV1,
  "ingresses.networking.k8s.io": ingresses,
  "ingressclasses.networking.k8s.io": ingressClasses,
  "networkpolicies.networking.k8s.io": networkPolicies,
  "roles.rbac.authorization.k8s.io": roles,
  "clusterroles.rbac.authorization.k8s.io": roles,
  "rolebindings.rbac.authorization.k8s.io": roleBindings,
  "clusterrolebindings.rbac.authorization.k8s.io": clusterRoleBindings,
  "priorityclasses.scheduling.k8s.io": priorityClasses,
  "runtimeclasses.node.k8s.io": runtimeClasses,
  limitranges: limitRanges,
  resourcequotas: resourceQuotas,
  componentstatuses: {
    shortNames: ["cs"],
    singular: "componentstatus",
    withoutVerbs: ["watch"],
    warning: "v1 ComponentStatus is deprecated in v1.19+",
  },
  "mutatingwebhookconfigurations.admissionregistration.k8s.io": webhooks,
  "validatingwebhookconfigurations.admissionregistration.k8s.io": webhooks,
  "validatingadmissionpolicies.admissionregistration.k8s.io": {
    categories: extensions,
    strategy: { generation: true },
  },
  "validatingadmissionpolicybindings.admissionregistration.k8s.io": {
    categories: extensions,
    strategy: { generation: true },
  },
};

/** The rules of a resource; `version` matters where versions of one resource differ. */
export function rulesOf(group: string, plural: string, version: string): KindRules {
  const name = group === "" ? plural : `${plural}.${group}`;
  return rules[`${name}/${version}`] ?? rules[name] ?? {};
}
