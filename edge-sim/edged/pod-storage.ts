// What a pod with claims needs before it starts: the claim is bound, its volume is there, and attached where a driver attaches.
import { createHash } from "node:crypto";
import { at, type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import { noNamespace, wirePath } from "../../protocol/resource/path.ts";
import { CloudError, type MetaManager } from "../metamanager/metamanager.ts";

/** The namespace that edgecore writes before an attachment, which has none. */
const ATTACHMENTS = "default";

/** Whether all claims of a pod can be mounted now; asks the cloud. Rejects where the cloud can't be asked. */
export async function storageNeeds(meta: MetaManager, node: string, pod: KubeObject): Promise<boolean> {
  const namespace = pod.metadata.namespace ?? "default";
  const claims = listAt(pod, "spec", "volumes").map((v) => textAt(v, "persistentVolumeClaim", "claimName"));
  for (const claim of claims.filter((name) => name !== "")) {
    if (!await isMountable(meta, node, namespace, claim)) return false;
  }
  return true;
}

async function isMountable(meta: MetaManager, node: string, namespace: string, name: string): Promise<boolean> {
  const claim = await found(meta, wirePath(namespace, resourceTypes.persistentvolumeclaim, name));
  const volumeName = textAt(claim, "spec", "volumeName");
  if (volumeName === "" || textAt(claim, "status", "phase") !== "Bound") return false;
  const volume = await found(meta, wirePath(noNamespace, resourceTypes.persistentvolume, volumeName));
  const driver = textAt(volume, "spec", "csi", "driver");
  if (volume === undefined || driver === "") return volume !== undefined;
  const attachment = attachmentName(textAt(volume, "spec", "csi", "volumeHandle"), driver, node);
  const attached = await found(meta, wirePath(ATTACHMENTS, resourceTypes.volumeattachment, attachment));
  return at(attached, "status", "attached") === true;
}

/** The object, or undefined where the cloud answers that there is none. */
async function found(meta: MetaManager, path: string): Promise<KubeObject | undefined> {
  try {
    return await meta.query(path);
  } catch (error) {
    if (error instanceof CloudError) return undefined;
    throw error;
  }
}

/** Kubernetes' name of the attachment of a CSI volume to a node. */
export function attachmentName(volumeHandle: string, driver: string, node: string): string {
  return `csi-${createHash("sha256").update(`${volumeHandle}${driver}${node}`).digest("hex")}`;
}
