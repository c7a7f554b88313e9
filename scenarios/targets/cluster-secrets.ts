// What a cloudcore keeps in its cluster for edges: the token that they enrol with, and the CA of their certificates.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import type { CertificateAuthority } from "../../protocol/pki/ca.ts";
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

/** Makes certificates of edges with a CA, some thousands a second. */
export async function issuerOf(authority: CertificateAuthority): Promise<NonNullable<HubAddress["issue"]>> {
  const { bulkIssuer } = await import("../../protocol/pki/bulk.ts");
  const { nodeCommonName, nodeOrganization } = await import("../../protocol/pki/request.ts");
  const issue = bulkIssuer(authority, Date.now());
  return (node) => {
    const { certPem, keyPem } = issue({ commonName: nodeCommonName(node), organization: nodeOrganization });
    return { ca: authority.certPem, cert: certPem, key: keyPem };
  };
}

/** Makes certificates of edges with the CA in a folder: rootCA.crt and rootCA.key, as KubeEdge names its files. Rejects where these can't be used. */
export async function issuerOfFolder(folder: string): Promise<NonNullable<HubAddress["issue"]>> {
  const { loadAuthority, derOf } = await import("../../protocol/pki/ca.ts");
  const [cert = "", key = ""] = await Promise.all(
    ["rootCA.crt", "rootCA.key"].map((name) => readFile(join(folder, name), "utf8")),
  );
  return await issuerOf(await loadAuthority(derOf(cert), derOf(key)));
}
