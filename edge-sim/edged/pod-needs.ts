// What a pod mounts or reads before it starts, volumes of claims aside: configmaps, secrets, tokens of service accounts.
import { at, type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { referencesIn } from "../../protocol/apis/pod.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import { wirePath } from "../../protocol/resource/path.ts";

/** What a pod mounts or reads: the path it has in the store, and whether the pod can do without. */
export interface Need {
  readonly path: string;
  readonly optional: boolean;
}

/** The configmaps and secrets it refers to. */
export function needsOf(pod: KubeObject): Need[] {
  return referencesIn(pod).map(({ kind, namespace, name, isOptional }) => ({
    path: wirePath(namespace, kind, name),
    optional: isOptional,
  }));
}

/** The tokens of service accounts that its volumes project, each with the request for it. */
export function tokensOf(pod: KubeObject) {
  const { namespace = "default", name, uid } = pod.metadata;
  const account = textAt(pod, "spec", "serviceAccountName") || "default";
  return listAt(pod, "spec", "volumes").flatMap((volume) => listAt(volume, "projected", "sources"))
    .map((source) => at(source, "serviceAccountToken")).filter((source) => source !== undefined)
    .map((source) => ({
      path: wirePath(namespace, resourceTypes.serviceaccounttoken, account),
      content: {
        metadata: { creationTimestamp: null },
        spec: {
          audiences: at(source, "audience") === undefined ? null : [at(source, "audience")],
          expirationSeconds: at(source, "expirationSeconds") ?? 3600,
          boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
        },
        status: { token: "", expirationTimestamp: null },
      },
    }));
}
