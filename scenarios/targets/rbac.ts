// The rights that skep needs in a cluster, as objects to apply: a ServiceAccount, a ClusterRole and what binds them.
import type { KubeObject } from "../../protocol/apis/kube-object.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

const look = ["get", "list", "watch"];
const change = ["create", "update", "patch", "delete"];

/** What our cloudcore does for its edges, and what scenarios and simulated edges need beside it. */
const rules: readonly Rule[] = [
  // Edges register as Nodes, report their status and renew their leases through cloudcore.
  { apiGroups: [""], resources: ["nodes"], verbs: [...look, ...change] },
  { apiGroups: [""], resources: ["nodes/status", "pods/status"], verbs: ["get", "update", "patch"] },
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [...look, ...change] },
  // A scenario's own namespace and what it puts there; what edges are sent.
  { apiGroups: [""], resources: ["namespaces"], verbs: [...look, "create", "delete"] },
  {
    apiGroups: [""],
    resources: ["pods", "configmaps", "secrets", "services", "endpoints", "serviceaccounts", "persistentvolumeclaims"],
    verbs: [...look, ...change],
  },
  { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create", "patch"] },
  { apiGroups: [""], resources: ["events"], verbs: ["get", "create", "update", "patch"] },
  { apiGroups: [""], resources: ["persistentvolumes"], verbs: look },
  { apiGroups: ["storage.k8s.io"], resources: ["volumeattachments"], verbs: look },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: look },
  {
    apiGroups: ["apps"],
    resources: ["deployments", "replicasets", "daemonsets", "statefulsets"],
    verbs: [...look, ...change],
  },
  {
    apiGroups: ["apps"],
    resources: ["deployments/scale", "replicasets/scale", "statefulsets/scale"],
    verbs: ["get", "update", "patch"],
  },
  // KubeEdge's kinds, and their definitions where these are missing.
  { apiGroups: ["apiextensions.k8s.io"], resources: ["customresourcedefinitions"], verbs: ["get", "list", "create"] },
  {
    apiGroups: ["devices.kubeedge.io"],
    resources: ["devices", "devices/status", "devicemodels", "devicestatuses", "devicestatuses/status"],
    verbs: [...look, ...change],
  },
  {
    apiGroups: ["reliablesyncs.kubeedge.io"],
    resources: ["objectsyncs", "objectsyncs/status", "clusterobjectsyncs", "clusterobjectsyncs/status"],
    verbs: [...look, ...change],
  },
  {
    apiGroups: ["rules.kubeedge.io"],
    resources: ["rules", "rules/status", "ruleendpoints"],
    verbs: [...look, "update", "patch"],
  },
  { apiGroups: ["certificates.k8s.io"], resources: ["certificatesigningrequests"], verbs: ["get", "create", "delete"] },
];

/** With `authorization` cloudcore asks the API in the name of the node whose request it is. That is as much as the API lets any user do. */
const impersonation: readonly Rule[] = [
  { apiGroups: [""], resources: ["users"], verbs: ["impersonate"] },
  { apiGroups: [""], resources: ["groups"], resourceNames: ["system:nodes"], verbs: ["impersonate"] },
];

/**
 * The objects, to be applied by somebody who may. The ServiceAccount's token goes into the kubeconfig of a target. `withAuthorization`: also
 * for a cloudcore that checks what edges ask.
 */
export function rbacObjects(namespace: string, withAuthorization = false): KubeObject[] {
  const name = "skep";
  const labels = { "app.kubernetes.io/name": name };
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace, labels } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name, labels },
      rules: withAuthorization ? [...rules, ...impersonation] : rules,
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name, labels },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    },
  ];
}
