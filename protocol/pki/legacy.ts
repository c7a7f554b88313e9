// The certificate that all edges of KubeEdge v1.1 share, made by its `certgen.sh` (KubeEdge v1.1 `build/tools/certgen.sh`).
import { X509Certificate } from "node:crypto";
import { KeyFileError, type Subject } from "./ca.ts";

/** Its subject names no node. */
export const legacySubject: Subject = { commonName: "kubeedge.io", organization: "KubeEdge" };

/** Checks that a PEM text holds the certificate of a CA. Throws KeyFileError, for a person. */
export function checkLegacyCa(pem: string, file: string): string {
  try {
    if (new X509Certificate(pem).ca) return pem;
  } catch (error) {
    throw new KeyFileError(`${file} is no certificate: ${(error as Error).message}`);
  }
  throw new KeyFileError(`${file} is no certificate of a CA`);
}

/** Whether this CA (PEM) has signed the certificate (DER), and it is good at that time (Unix milliseconds). */
export function isSignedBy(caPem: string, certDer: Uint8Array, now: number): boolean {
  try {
    const certificate = new X509Certificate(Buffer.from(certDer));
    const isInTime = Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo);
    return isInTime && certificate.verify(new X509Certificate(caPem).publicKey);
  } catch {
    return false;
  }
}
