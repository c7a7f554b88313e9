// The hub's certificates and bootstrap token, kept in the cluster's secrets so that every cloudcore has the same ones.
import { readFile } from "node:fs/promises";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import {
  type CertificateAuthority,
  createAuthority,
  issueServer,
  KeyFileError,
  type KeyPair,
  loadAuthority,
  loadKeyPair,
  pairFromPem,
  sameName,
  servesAs,
} from "../../protocol/pki/ca.ts";
import { checkLegacyCa } from "../../protocol/pki/legacy.ts";
import { createToken } from "../../protocol/pki/token.ts";
import type { CertificateFiles } from "../config/config.ts";
import { hasCode, isAlreadyExists, type KubeClient } from "../kube/client.ts";
import { resources } from "../kube/resource.ts";

/** Where KubeEdge keeps its secrets. */
export const SECRETS_NAMESPACE = "kubeedge";
export const CA_SECRET = "casecret";
const SERVER_SECRET = "cloudcoresecret";
const TOKEN_SECRET = "tokensecret";
/** On the secrets that we make: others mean another cloudcore. */
export const managedBy = { "app.kubernetes.io/managed-by": "skep" } as const;

/** What the hub needs to serve and to enrol. */
export interface HubCertificates {
  readonly authority: CertificateAuthority;
  readonly server: KeyPair;
  /** `<hash>.<jwt>`, what `edgecore --token` takes. */
  readonly token: string;
  /** The CA of the certificate that edges of v1.1 share, where it is not ours. PEM. */
  readonly legacyCa: string | undefined;
}

/** What the certificates are made for. Times are Unix milliseconds and milliseconds. */
export interface CertificateOptions {
  readonly advertiseAddress: readonly string[];
  readonly tokenLifetime: number;
  readonly certificateFiles: CertificateFiles | undefined;
  readonly legacyCaFile: string;
  readonly now: number;
}

/**
 * Reads the CA from its files or its secret, or makes and stores one. Two cloudcores that start together end up with the
 * same: a replica that loses the race to create the secret uses what the winner stored. The server's certificate likewise; one
 * that does not serve all addresses of this start is replaced by one for them and for those it served. What comes from
 * files is written to the secrets, where edges' tokens and other cloudcores look for it. Rejects with KeyFileError.
 */
export async function prepareCertificates(client: KubeClient, options: CertificateOptions): Promise<HubCertificates> {
  const { certificateFiles: files, now } = options;
  const fromFiles = files && await readPair(files.ca, files.caKey, "tlsCAFile and tlsCAKeyFile");
  const authority = fromFiles === undefined
    ? await sharedAuthority(client, now)
    : await loadAuthority(fromFiles.certDer, fromFiles.keyDer);
  if (fromFiles !== undefined) await store(client, CA_SECRET, caData(fromFiles));
  const ownServer = files && await readPair(files.cert, files.key, "tlsCertFile and tlsPrivateKeyFile");
  const token = await createToken(authority, now + options.tokenLifetime);
  const [server] = await Promise.all([
    ownServer === undefined ? sharedServer(client, authority, options) : ownServer,
    store(client, TOKEN_SECRET, { tokendata: Buffer.from(token, "utf8") }),
    ...(ownServer === undefined ? [] : [store(client, SERVER_SECRET, serverData(ownServer))]),
  ]);
  return { authority, server, token, legacyCa: await readLegacyCa(options.legacyCaFile) };
}

async function readLegacyCa(file: string): Promise<string | undefined> {
  if (file === "") return undefined;
  const pem = await readIfThere(file);
  if (pem === undefined) throw new KeyFileError(`skep.legacyCAFile: there is no file ${file}`);
  return checkLegacyCa(pem, `skep.legacyCAFile: ${file}`);
}

/** Reads both files; undefined if neither exists. Rejects if only one exists. */
async function readPair(certFile: string, keyFile: string, names: string): Promise<KeyPair | undefined> {
  const [certPem, keyPem] = await Promise.all([readIfThere(certFile), readIfThere(keyFile)]);
  if (certPem === undefined && keyPem === undefined) return undefined;
  if (certPem === undefined || keyPem === undefined) {
    const missing = certPem === undefined ? certFile : keyFile;
    throw new KeyFileError(`${names} must both be there, or neither: ${missing || "the other path"} is missing`);
  }
  try {
    return pairFromPem(certPem, keyPem);
  } catch (error) {
    throw error instanceof KeyFileError ? new KeyFileError(`${certFile}, ${keyFile}: ${error.message}`) : error;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  if (file === "") return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new KeyFileError(`can't read ${file}: ${(error as Error).message}`);
  }
}

/** Rounds in which two cloudcores with different addresses may overwrite each other's certificate before we take the last. */
const SERVER_ROUNDS = 5;

async function sharedServer(
  client: KubeClient,
  authority: CertificateAuthority,
  { advertiseAddress, now }: CertificateOptions,
): Promise<KeyPair> {
  const ref = { resource: resources.secrets, namespace: SECRETS_NAMESPACE, name: SERVER_SECRET };
  const wanted = advertiseAddress.filter((name) => name !== "");
  for (let round = 1;; round++) {
    const stored = await client.find(ref);
    const pair = stored === undefined ? undefined : serverIn(stored);
    const names = pair === undefined ? [] : await servesAs(authority, pair.certDer, now);
    const served = new Set(names.map(sameName));
    if (pair !== undefined && wanted.every((name) => served.has(sameName(name)))) return pair;
    const subject = { commonName: "KubeEdge", organization: "KubeEdge" };
    const made = await issueServer(authority, subject, [...new Set([...names, ...wanted])], now);
    const data = serverData(made);
    try {
      if (stored === undefined) await createSecret(client, SERVER_SECRET, data);
      else await client.update(resources.secrets, { ...stored, data: encoded(data) });
      return made;
    } catch (error) {
      // Another cloudcore was faster: we use its certificate if it serves our addresses too.
      if (!hasCode(error, 409)) throw error;
      if (round === SERVER_ROUNDS) return made;
    }
  }
}

/** What a secret holds; undefined where that can't be used. */
function serverIn(secret: KubeObject): KeyPair | undefined {
  try {
    return loadKeyPair(bytesIn(secret, "cloudcoredata"), bytesIn(secret, "cloudcorekeydata"));
  } catch {
    return undefined;
  }
}

function caData({ certDer, keyDer }: KeyPair) {
  return { cadata: certDer, cakeydata: keyDer };
}

function serverData({ certDer, keyDer }: KeyPair) {
  return { cloudcoredata: certDer, cloudcorekeydata: keyDer };
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
  const ref = { resource: resources.secrets, namespace: SECRETS_NAMESPACE, name: CA_SECRET };
  const stored = await client.find(ref);
  if (stored !== undefined) return authorityIn(stored);
  const made = await createAuthority("KubeEdge", now);
  try {
    await createSecret(client, CA_SECRET, caData(made));
    return made;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return authorityIn(await client.get(ref));
  }
}

function authorityIn(secret: KubeObject): Promise<CertificateAuthority> {
  return loadAuthority(bytesIn(secret, "cadata"), bytesIn(secret, "cakeydata"));
}

function bytesIn(secret: KubeObject, key: string): Uint8Array {
  return Buffer.from(textAt(secret, "data", key), "base64");
}

async function store(client: KubeClient, name: string, data: Record<string, Uint8Array>): Promise<void> {
  try {
    await createSecret(client, name, data);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await client.patch({ resource: resources.secrets, namespace: SECRETS_NAMESPACE, name }, "merge", {
      data: encoded(data),
    });
  }
}

async function createSecret(client: KubeClient, name: string, data: Record<string, Uint8Array>): Promise<void> {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: SECRETS_NAMESPACE, labels: managedBy },
    type: "Opaque",
    data: encoded(data),
  };
  try {
    await client.create(resources.secrets, secret);
  } catch (error) {
    if (!hasCode(error, 404)) throw error;
    // The namespace is missing: this is the first cloudcore of the cluster.
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: SECRETS_NAMESPACE } };
    await client.create(resources.namespaces, namespace).catch((raced) => {
      if (!isAlreadyExists(raced)) throw raced;
    });
    await client.create(resources.secrets, secret);
  }
}

function encoded(data: Record<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
}
