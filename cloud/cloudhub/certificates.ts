// The hub's certificates and bootstrap token, kept in the cluster's secrets so that every cloudcore has the same ones.
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import {
  type CertificateAuthority,
  createAuthority,
  issueServer,
  type KeyPair,
  loadAuthority,
} from "../../protocol/pki/ca.ts";
import { createToken } from "../../protocol/pki/token.ts";
import { hasCode, type KubeClient } from "../kube/client.ts";
import { resources } from "../kube/resource.ts";

/** Where KubeEdge keeps its secrets. */
const NAMESPACE = "kubeedge";
const CA_SECRET = "casecret";
const SERVER_SECRET = "cloudcoresecret";
const TOKEN_SECRET = "tokensecret";

/** What the hub needs to serve and to enrol. */
export interface HubCertificates {
  readonly authority: CertificateAuthority;
  readonly server: KeyPair;
  /** `<hash>.<jwt>`, what `edgecore --token` takes. */
  readonly token: string;
}

/** What the certificates are made for. Times are Unix milliseconds and milliseconds. */
export interface CertificateWishes {
  readonly advertiseAddress: readonly string[];
  readonly tokenLifetime: number;
  readonly now: number;
}

/**
 * Reads the CA from its secret, or makes and stores one. Two cloudcores that start together end up with the same: whoever
 * loses the race to create the secret takes what the winner stored. The server's certificate is made anew at each start,
 * for the addresses of that start.
 */
export async function prepareCertificates(client: KubeClient, wishes: CertificateWishes): Promise<HubCertificates> {
  const authority = await sharedAuthority(client, wishes.now);
  const subject = { commonName: "KubeEdge", organization: "KubeEdge" };
  const server = await issueServer(authority, subject, wishes.advertiseAddress, wishes.now);
  const token = await createToken(authority, wishes.now + wishes.tokenLifetime);
  await Promise.all([
    store(client, SERVER_SECRET, { cloudcoredata: server.certDer, cloudcorekeydata: server.keyDer }),
    store(client, TOKEN_SECRET, { tokendata: Buffer.from(token, "utf8") }),
  ]);
  return { authority, server, token };
}

/** A new token, stored for those who look for it with kubectl. */
export async function refreshToken(
  client: KubeClient,
  authority: CertificateAuthority,
  expires: number,
): Promise<string> {
  const token = await createToken(authority, expires);
  await store(client, TOKEN_SECRET, { tokendata: Buffer.from(token, "utf8") });
  return token;
}

async function sharedAuthority(client: KubeClient, now: number): Promise<CertificateAuthority> {
  const ref = { resource: resources.secrets, namespace: NAMESPACE, name: CA_SECRET };
  const stored = await client.find(ref);
  if (stored !== undefined) return authorityIn(stored);
  const made = await createAuthority("KubeEdge", now);
  try {
    await createSecret(client, CA_SECRET, { cadata: made.certDer, cakeydata: made.keyDer });
    return made;
  } catch (error) {
    if (!hasCode(error, 409)) throw error;
    return authorityIn(await client.get(ref));
  }
}

function authorityIn(secret: KubeObject): Promise<CertificateAuthority> {
  const bytes = (key: string) => Buffer.from(textAt(secret, "data", key), "base64");
  return loadAuthority(bytes("cadata"), bytes("cakeydata"));
}

async function store(client: KubeClient, name: string, data: Record<string, Uint8Array>): Promise<void> {
  try {
    await createSecret(client, name, data);
  } catch (error) {
    if (!hasCode(error, 409)) throw error;
    await client.patch({ resource: resources.secrets, namespace: NAMESPACE, name }, "merge", { data: encoded(data) });
  }
}

async function createSecret(client: KubeClient, name: string, data: Record<string, Uint8Array>): Promise<void> {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: NAMESPACE },
    type: "Opaque",
    data: encoded(data),
  };
  try {
    await client.create(resources.secrets, secret);
  } catch (error) {
    if (!hasCode(error, 404)) throw error;
    // The namespace is missing: this is the first cloudcore of the cluster.
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } };
    await client.create(resources.namespaces, namespace).catch((raced) => {
      if (!hasCode(raced, 409)) throw raced;
    });
    await client.create(resources.secrets, secret);
  }
}

function encoded(data: Record<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
}
