// The roles and bindings that a server with access control has from its start, as far as KubeEdge's chart and
// `kubectl auth can-i` need them. Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { PolicyRule } from "./authorizer.ts";

const apiVersion = "rbac.authorization.k8s.io/v1";
const labels = { "kubernetes.io/bootstrapping": "rbac-defaults" };
const annotations = { "rbac.authorization.kubernetes.io/autoupdate": "true" };

const READ = ["get", "list", "watch"];
const WRITE = ["create", "delete", "deletecollection", "patch", "update"];

/** What people work with in a namespace, by group. */
const work: readonly (readonly [group: string, resources: readonly string[]])[] = [
  ["", [
    "configmaps",
    "endpoints",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "replicationcontrollers/scale",
    "serviceaccounts",
    "services",
  ]],
  ["apps", [
    "controllerrevisions",
    "daemonsets",
    "deployments",
    "deployments/scale",
    "replicasets",
    "replicasets/scale",
    "statefulsets",
    "statefulsets/scale",
  ]],
  ["autoscaling", ["horizontalpodautoscalers"]],
  ["batch", ["cronjobs", "jobs"]],
  ["policy", ["poddisruptionbudgets"]],
  ["networking.k8s.io", ["ingresses", "networkpolicies"]],
  ["discovery.k8s.io", ["endpointslices"]],
];

const viewing: readonly PolicyRule[] = [
  ...work.map(([group, resources]) => ({ apiGroups: [group], resources, verbs: READ })),
  {
    apiGroups: [""],
    resources: [
      "bindings",
      "events",
      "limitranges",
      "namespaces",
      "namespaces/status",
      "pods/log",
      "pods/status",
      "resourcequotas",
      "resourcequotas/status",
    ],
    verbs: READ,
  },
];
const editing: readonly PolicyRule[] = [
  {
    apiGroups: [""],
    resources: ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"],
    verbs: READ,
  },
  { apiGroups: [""], resources: ["serviceaccounts"], verbs: ["impersonate"] },
  {
    apiGroups: [""],
    resources: ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"],
    verbs: WRITE,
  },
  { apiGroups: [""], resources: ["pods/eviction", "serviceaccounts/token", "events"], verbs: ["create"] },
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [...WRITE, ...READ] },
  ...work.map(([group, resources]) => ({ apiGroups: [group], resources, verbs: WRITE })),
];
const administering: readonly PolicyRule[] = [
  { apiGroups: ["authorization.k8s.io"], resources: ["localsubjectaccessreviews"], verbs: ["create"] },
  { apiGroups: ["rbac.authorization.k8s.io"], resources: ["rolebindings", "roles"], verbs: [...WRITE, ...READ] },
];

const discoveryPaths = [
  "/api",
  "/api/*",
  "/apis",
  "/apis/*",
  "/healthz",
  "/livez",
  "/openapi",
  "/openapi/*",
  "/readyz",
  "/version",
  "/version/",
];
const reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];

const roles: Readonly<Record<string, readonly PolicyRule[]>> = {
  "cluster-admin": [
    { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
    { nonResourceURLs: ["*"], verbs: ["*"] },
  ],
  "system:aggregate-to-admin": administering,
  "system:aggregate-to-edit": editing,
  "system:aggregate-to-view": viewing,
  "system:basic-user": [
    { apiGroups: ["authorization.k8s.io"], resources: reviews, verbs: ["create"] },
    { apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"], verbs: ["create"] },
  ],
  "system:discovery": [{ nonResourceURLs: discoveryPaths, verbs: ["get"] }],
  "system:public-info-viewer": [
    { nonResourceURLs: ["/healthz", "/livez", "/readyz", "/version", "/version/"], verbs: ["get"] },
  ],
  "system:auth-delegator": [
    { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
    { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
  ],
  "system:node": [
    {
      apiGroups: [""],
      resources: ["configmaps", "secrets", "services", "persistentvolumes", "persistentvolumeclaims"],
      verbs: READ,
    },
    { apiGroups: [""], resources: ["nodes"], verbs: ["create", ...READ, "patch", "update"] },
    { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch", "update"] },
    { apiGroups: [""], resources: ["pods"], verbs: ["create", "delete", ...READ] },
    { apiGroups: [""], resources: ["pods/status"], verbs: ["patch", "update"] },
    { apiGroups: [""], resources: ["pods/eviction", "serviceaccounts/token"], verbs: ["create"] },
    { apiGroups: ["", "events.k8s.io"], resources: ["events"], verbs: ["create", "patch", "update"] },
    {
      apiGroups: ["coordination.k8s.io"],
      resources: ["leases"],
      verbs: ["create", "delete", "get", "patch", "update"],
    },
    { apiGroups: ["certificates.k8s.io"], resources: ["certificatesigningrequests"], verbs: ["create", ...READ] },
    {
      apiGroups: ["storage.k8s.io"],
      resources: ["csidrivers", "csinodes", "volumeattachments"],
      verbs: ["create", ...READ, "patch", "update"],
    },
    { apiGroups: ["node.k8s.io"], resources: ["runtimeclasses"], verbs: READ },
    { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
    {
      apiGroups: ["authorization.k8s.io"],
      resources: ["localsubjectaccessreviews", "subjectaccessreviews"],
      verbs: ["create"],
    },
  ],
};

/** Roles that are the sum of others, by the label of those. */
const sums: Readonly<Record<string, readonly string[]>> = {
  admin: ["admin"],
  edit: ["edit"],
  view: ["view"],
};

/** Which sums a part counts towards. */
const parts: Readonly<Record<string, readonly string[]>> = {
  "system:aggregate-to-admin": ["admin"],
  "system:aggregate-to-edit": ["admin", "edit"],
  "system:aggregate-to-view": ["admin", "edit", "view"],
};

const bindings: Readonly<Record<string, readonly string[]>> = {
  "cluster-admin": ["system:masters"],
  "system:basic-user": ["system:authenticated"],
  "system:discovery": ["system:authenticated"],
  "system:public-info-viewer": ["system:authenticated", "system:unauthenticated"],
};

const aggregate = (name: string) => `rbac.authorization.k8s.io/aggregate-to-${name}`;

/** All of them, roles first. */
export function bootstrapRoles(): KubeObject[] {
  return [
    ...Object.entries(roles).map(([name, rules]): KubeObject => ({
      apiVersion,
      kind: "ClusterRole",
      metadata: {
        name,
        labels: { ...labels, ...Object.fromEntries((parts[name] ?? []).map((sum) => [aggregate(sum), "true"])) },
        annotations,
      },
      rules,
    })),
    ...Object.entries(sums).map(([name, labelled]): KubeObject => ({
      apiVersion,
      kind: "ClusterRole",
      metadata: { name, labels, annotations },
      aggregationRule: { clusterRoleSelectors: labelled.map((sum) => ({ matchLabels: { [aggregate(sum)]: "true" } })) },
      rules: Object.entries(parts).filter(([, of]) => of.includes(name)).flatMap(([part]) => roles[part] ?? []),
    })),
    ...Object.entries(bindings).map(([name, groups]): KubeObject => ({
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata: { name, labels, annotations },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: groups.map((group) => ({ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: group })),
    })),
  ];
}
