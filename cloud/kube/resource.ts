// Which path of the API a kind has.
import { SkepError } from "../../base/error/skep-error.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";

/** One kind as a place in the API. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const core = (kind: string, plural: string, namespaced = true): Resource => ({
  apiVersion: "v1",
  kind,
  plural,
  namespaced,
});

/** The kinds cloudcore itself deals with. */
export const resources = {
  pods: core("Pod", "pods"),
  nodes: core("Node", "nodes", false),
  configmaps: core("ConfigMap", "configmaps"),
  secrets: core("Secret", "secrets"),
  namespaces: core("Namespace", "namespaces", false),
  serviceaccounts: core("ServiceAccount", "serviceaccounts"),
  leases: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", plural: "leases", namespaced: true },
  events: core("Event", "events"),
  services: core("Service", "services"),
  endpoints: core("Endpoints", "endpoints"),
  persistentvolumes: core("PersistentVolume", "persistentvolumes", false),
  persistentvolumeclaims: core("PersistentVolumeClaim", "persistentvolumeclaims"),
  volumeattachments: {
    apiVersion: "storage.k8s.io/v1",
    kind: "VolumeAttachment",
    plural: "volumeattachments",
    namespaced: false,
  },
  certificatesigningrequests: {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    namespaced: false,
  },
  devices: { apiVersion: "devices.kubeedge.io/v1beta1", kind: "Device", plural: "devices", namespaced: true },
  devicemodels: {
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "DeviceModel",
    plural: "devicemodels",
    namespaced: true,
  },
  devicestatuses: {
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "DeviceStatus",
    plural: "devicestatuses",
    namespaced: true,
  },
  objectsyncs: {
    apiVersion: "reliablesyncs.kubeedge.io/v1alpha1",
    kind: "ObjectSync",
    plural: "objectsyncs",
    namespaced: true,
  },
  clusterobjectsyncs: {
    apiVersion: "reliablesyncs.kubeedge.io/v1alpha1",
    kind: "ClusterObjectSync",
    plural: "clusterobjectsyncs",
    namespaced: false,
  },
  rules: { apiVersion: "rules.kubeedge.io/v1", kind: "Rule", plural: "rules", namespaced: true },
  ruleendpoints: {
    apiVersion: "rules.kubeedge.io/v1",
    kind: "RuleEndpoint",
    plural: "ruleendpoints",
    namespaced: true,
  },
  /** What devices and models of KubeEdge v1.1 are. */
  devicesV1alpha1: { apiVersion: "devices.kubeedge.io/v1alpha1", kind: "Device", plural: "devices", namespaced: true },
  devicemodelsV1alpha1: {
    apiVersion: "devices.kubeedge.io/v1alpha1",
    kind: "DeviceModel",
    plural: "devicemodels",
    namespaced: true,
  },
  customresourcedefinitions: {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    namespaced: false,
  },
} as const satisfies Record<string, Resource>;

/** A name that is invalid in a path of the API. */
export class PathSegmentError extends SkepError {
  readonly code = "SKEP_OBJECT_NAME";
  constructor(segment: string) {
    super(
      `"${segment}" can't be the name or namespace of an object: it may not be "." or "..", nor contain "/" or "%"`,
    );
  }
}

/** As Kubernetes' ValidatePathSegmentName: URLs take `.` and `..` for steps, so they would lead to another object. */
function segment(text: string): string {
  if (text === "." || text === ".." || /[/%]/.test(text)) throw new PathSegmentError(text);
  return encodeURIComponent(text);
}

/**
 * The path of a collection, or with `name` of one object. An empty namespace means all of them. Throws PathSegmentError.
 */
export function pathOf(resource: Resource, namespace = "", name = ""): string {
  const root = resource.apiVersion.includes("/") ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const place = resource.namespaced && namespace !== "" ? `/namespaces/${segment(namespace)}` : "";
  return `${root}${place}/${resource.plural}${name === "" ? "" : `/${segment(name)}`}`;
}

/** The kinds cloudcore knows, by apiVersion and kind; undefined for others (then the server's discovery tells). */
export function knownResource(object: Pick<KubeObject, "apiVersion" | "kind">): Resource | undefined {
  const apiVersion = textAt(object, "apiVersion");
  const kind = textAt(object, "kind");
  return Object.values(resources).find((r) => r.apiVersion === apiVersion && r.kind === kind);
}
