// The edge's side of enrolment: a key and a certificate request for it.
import "reflect-metadata";
import { Name, Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { exportKey, keyAlgorithm, newKeys } from "./ca.ts";

/** Organization and common name of an edge node's certificate. */
export const nodeOrganization = "system:nodes";

/** The common name of a node's certificate; it is what `node_id` must be. */
export function nodeCommonName(node: string): string {
  return `system:node:${node}`;
}

/** A request in DER and the key it is for, SEC1 PEM. The subject is the one edgecore sends. */
export async function createNodeRequest(node: string): Promise<{ readonly csr: Uint8Array; readonly keyPem: string }> {
  const keys = await newKeys();
  const field = (type: string, value: string) => ({ [type]: [{ printableString: value }] });
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: new Name([
      field("C", "CN"),
      field("ST", "Zhejiang"),
      field("L", "Hangzhou"),
      field("O", nodeOrganization),
      field("CN", nodeCommonName(node)),
    ]).toJSON(),
    keys,
    signingAlgorithm: keyAlgorithm,
  });
  const key = await exportKey(keys.privateKey);
  return { csr: new Uint8Array(request.rawData), keyPem: key.export({ format: "pem", type: "sec1" }).toString() };
}

/** The subject of the one certificate that cloud and edges of KubeEdge v1.1 share. */
export const legacySubject = { organization: "KubeEdge", commonName: "kubeedge.io" } as const;
