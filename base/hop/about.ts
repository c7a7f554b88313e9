// Which object a hop is about: kind, namespace and name, as its resource path has them.

/** An object as people name it. Empty texts where the path names none. */
export interface HopObject {
  /** In small letters, as in paths: `pod`, `configmap`, `device`. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Types of messages that are about an object of another type. */
const kindOf: Readonly<Record<string, string>> = {
  podpatch: "pod",
  podstatus: "pod",
  nodepatch: "node",
  nodestatus: "node",
};

/** `{namespace}/{type}/{name}`, or `device/{namespace}/{name}/…` of twins and states (`device/{name}/…` in KubeEdge v1.1). */
export function objectOf(resource: string): HopObject {
  const [first = "", second = "", third = ""] = resource.split("/");
  if (first === "device" && second !== "") {
    const isV11 = third === "" || third === "twin" || third === "state";
    return isV11 ? { kind: first, namespace: "", name: second } : { kind: first, namespace: second, name: third };
  }
  if (second === "" || first === "membership") return { kind: first, namespace: "", name: "" };
  return { kind: kindOf[second] ?? second, namespace: first === "null" ? "" : first, name: third };
}

/** `KIND/NAMESPACE/NAME`, or `KIND/NAME` of a cluster's own; what is no path stays as it is. */
export function objectName({ kind, name, namespace }: HopObject): string {
  return [kind, namespace, name].filter((word) => word !== "").join("/");
}
