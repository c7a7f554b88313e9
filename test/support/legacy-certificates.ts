// Certificates as the `certgen.sh` of KubeEdge v1.1 makes them: RSA, the edges' named like its CA.
import { createPrivateKey } from "node:crypto";
import { BasicConstraintsExtension, X509CertificateGenerator } from "@peculiar/x509";

const algorithm = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};
/** The subject of the CA and of the certificate that all edges share. */
export const legacyName = "CN=kubeedge.io, O=KubeEdge, L=Hangzhou, ST=Zhejiang, C=CN";

/** PEM of a certificate and its key. */
export interface PemPair {
  readonly cert: string;
  readonly key: string;
}

/** A CA, with the way to have certificates signed by it. Lifetimes are two days, or over since yesterday. */
export async function legacyAuthority() {
  const keys = await newKeys();
  const common = { issuer: legacyName, signingKey: keys.privateKey, signingAlgorithm: algorithm };
  const own = await X509CertificateGenerator.create({
    ...common,
    ...times(1),
    serialNumber: "01",
    subject: legacyName,
    publicKey: keys.publicKey,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    cert: own.toString("pem"),
    async sign(subject: string, daysLeft = 1): Promise<PemPair> {
      const { privateKey, publicKey } = await newKeys();
      const certificate = await X509CertificateGenerator.create({
        ...common,
        ...times(daysLeft),
        serialNumber: "02",
        subject,
        publicKey,
      });
      return { cert: certificate.toString("pem"), key: await pemOf(privateKey) };
    },
  };
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

function times(daysLeft: number) {
  const day = 86_400_000;
  return { notBefore: new Date(Date.now() - 3 * day), notAfter: new Date(Date.now() + daysLeft * day) };
}

async function pemOf(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", key));
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({
    format: "pem",
    type: "pkcs8",
  }) as string;
}
