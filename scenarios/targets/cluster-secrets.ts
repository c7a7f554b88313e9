// What a cloudcore keeps in its cluster for edges: the token that they enrol with, and the CA of their certificates.
import type { KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";

const secret = (name: string) => ({ resource: resources.secrets, namespace: "kubeedge", name });

/** The bootstrap token. Rejects with KubeApiError where no cloudcore has made one yet. */
export async function bootstrapToken(kube: KubeClient): Promise<string> {
  const found = await kube.get(secret("tokensecret"));
  return Buffer.from(textAt(found, "data", "tokendata"), "base64").toString("utf8");
}

/** A CA: certificate and key, DER in base64. */
export interface AuthorityData {
  readonly cert: string;
  readonly key: string;
}

/** The CA that signs edges' certificates. Rejects with KubeApiError where it is not there or may not be read. */
export async function authorityData(kube: KubeClient): Promise<AuthorityData> {
  const found = await kube.get(secret("casecret"));
  return { cert: textAt(found, "data", "cadata"), key: textAt(found, "data", "cakeydata") };
}
