// What a proxy shows: a server certificate to edges, and to the cloudcore a client certificate for each edge, as the edge's own.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SkepError } from "../base/error/skep-error.ts";
import { reasonOf } from "../base/log/logger.ts";
import { type CertificateAuthority, issueClient, issueServer, type Subject } from "../protocol/pki/ca.ts";
import { nodeCommonName } from "../protocol/pki/request.ts";

/** Certificate and key, PEM. */
export interface PemPair {
  readonly cert: string;
  readonly key: string;
}

/** What the proxy is trusted with. */
export interface ProxyTrust {
  /** The CA of the edges' certificates and of the cloudcore's, PEM. */
  readonly ca: string;
  readonly server: PemPair;
  /** The certificate for an edge with this subject. Rejects with ProxyTrustError where there is none. */
  clientOf(subject: Subject): Promise<PemPair>;
}

/** A file that is missing or can't be read, or an edge without a certificate. */
export class ProxyTrustError extends SkepError {
  readonly code = "SKEP_PROXY_TRUST";
}

const DAY_MS = 86_400_000;

/** With the cloudcore's CA, all certificates are made here. `names` are those that edges reach the proxy by. */
export async function trustOfAuthority(
  authority: CertificateAuthority,
  names: readonly string[],
  now: () => number,
): Promise<ProxyTrust> {
  const pair = await issueServer(authority, { commonName: "skep proxy" }, names, now());
  const made = new Map<string, { readonly pair: PemPair; readonly at: number }>();
  return {
    ca: authority.certPem,
    server: { cert: pair.certPem, key: pair.keyPem },
    async clientOf(subject) {
      const key = `${subject.organization}/${subject.commonName}`;
      const known = made.get(key);
      // They live for a year; one that has been used for a day is made again.
      if (known !== undefined && now() - known.at < DAY_MS) return known.pair;
      const { certPem, keyPem } = await issueClient(authority, subject, now());
      const pair = { cert: certPem, key: keyPem };
      made.set(key, { pair, at: now() });
      return pair;
    },
  };
}

/** Without the CA's key: a server certificate of it, and a folder with NODE.crt and NODE.key for each edge. */
export interface TrustFiles {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly edges: string;
}

/** Reads the files. Rejects with ProxyTrustError. */
export async function trustOfFiles({ ca, edges, serverCert, serverKey }: TrustFiles): Promise<ProxyTrust> {
  const read = (file: string) =>
    readFile(file, "utf8").catch((error): never => {
      throw new ProxyTrustError(`${file} can't be read: ${reasonOf(error)}`);
    });
  // One after the other: where several are missing, it is always the first that is named.
  const pairOf = async (cert: string, key: string): Promise<PemPair> => ({
    cert: await read(cert),
    key: await read(key),
  });
  return {
    ca: await read(ca),
    server: await pairOf(serverCert, serverKey),
    async clientOf({ commonName = "" }) {
      const prefix = nodeCommonName("");
      const node = commonName.startsWith(prefix) ? commonName.slice(prefix.length) : commonName;
      if (!/^[a-z0-9][-a-z0-9.]{0,252}$/.test(node)) {
        throw new ProxyTrustError(`an edge's certificate is for "${commonName}", which is no node`);
      }
      return await pairOf(join(edges, `${node}.crt`), join(edges, `${node}.key`));
    },
  };
}
