// Certificates for many edges, and work done many at a time.
import { type CertificateAuthority, derOf, issueClient, loadAuthority, pairFromPem } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import type { Calls, ClientOptions } from "./peers.ts";

/** The authority of a cloudcore in another process. */
export function authorityOf(
  { authority: { certPem, keyPem } }: ReturnType<Calls["core"]>,
): Promise<CertificateAuthority> {
  return loadAuthority(derOf(certPem), pairFromPem(certPem, keyPem).keyDer);
}

/** A certificate each. */
export function certificates(
  authority: CertificateAuthority,
  names: readonly string[],
): Promise<ClientOptions["nodes"][number][]> {
  return mapAtOnce(names, async (name) => {
    const subject = { commonName: nodeCommonName(name), organization: nodeOrganization };
    const { certPem, keyPem } = await issueClient(authority, subject, Date.now());
    return { name, ca: authority.certPem, cert: certPem, key: keyPem };
  });
}

/** Runs over all items, so many at a time; results in the order of the items. */
export async function mapAtOnce<T, R>(items: readonly T[], run: (item: T) => Promise<R>, at = 32): Promise<R[]> {
  const found: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) found[i] = await run(items[i] as T);
  };
  await Promise.all(Array.from({ length: at }, worker));
  return found;
}
