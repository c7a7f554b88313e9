// KubeEdge's certificates: the CA, the server's, the edges'. Subjects, usages and lifetimes as in KubeEdge v1.23 `pkg/security/certs`.
import { SkepError } from "../../base/error/skep-error.ts";
import "reflect-metadata";
import { isIP } from "node:net";
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate as NodeX509Certificate } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const DAY_MS = 86_400_000;
/** KubeEdge's CA and server certificates live for 100 × 364 days. */
const LONG_DAYS = 36_400;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A certificate and its private key. DER as KubeEdge's secrets hold it, PEM as TLS stacks take it. */
export interface KeyPair {
  readonly certDer: Uint8Array;
  /** SEC1 (`EC PRIVATE KEY`) DER. */
  readonly keyDer: Uint8Array;
  readonly certPem: string;
  readonly keyPem: string;
}

/** A certificate authority that can sign. */
export interface CertificateAuthority extends KeyPair {
  readonly certificate: X509Certificate;
  readonly signingKey: CryptoKey;
}

/** Whom a certificate is for. */
export interface Subject {
  readonly commonName: string;
  readonly organization?: string;
}

const usage = { server: ExtendedKeyUsage.serverAuth, client: ExtendedKeyUsage.clientAuth } as const;

/** A new self-signed CA; KubeEdge's has the common name `KubeEdge` and no organization. */
export async function createAuthority(commonName: string, now: number): Promise<CertificateAuthority> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: nameOf({ commonName }),
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + LONG_DAYS * DAY_MS),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(
        KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment | KeyUsageFlags.keyCertSign,
        true,
      ),
      new ExtendedKeyUsageExtension([usage.server, usage.client]),
    ],
  });
  return authorityOf(pairOf(certificate, await exportKey(keys.privateKey)));
}

/** The authority whose certificate (DER) and key (SEC1 DER) a secret holds. Throws where they can't be read. */
export async function loadAuthority(certDer: Uint8Array, keyDer: Uint8Array): Promise<CertificateAuthority> {
  const key = createPrivateKey({ key: Buffer.from(keyDer), format: "der", type: "sec1" });
  return await authorityOf(pairOf(new X509Certificate(Buffer.from(certDer)), key));
}

/** A key pair from a secret's DER data. */
export function loadKeyPair(certDer: Uint8Array, keyDer: Uint8Array): KeyPair {
  const key = createPrivateKey({ key: Buffer.from(keyDer), format: "der", type: "sec1" });
  return pairOf(new X509Certificate(Buffer.from(certDer)), key);
}

/**
 * A key pair from PEM files. Keys labelled `PRIVATE KEY` that hold SEC1, as KubeEdge's own code writes them, are read too.
 * Throws KeyFileError, for a person, where it is no certificate, no EC key, or the two don't belong together.
 */
export function pairFromPem(certPem: string, keyPem: string): KeyPair {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(Buffer.from(derOf(firstBlock(certPem, "CERTIFICATE"))));
  } catch (error) {
    throw new KeyFileError(`the certificate can't be read: ${(error as Error).message}`);
  }
  const key = keyFromPem(keyPem);
  if (key.asymmetricKeyType !== "ec") {
    throw new KeyFileError(
      `the key is ${key.asymmetricKeyType ?? "no private key"}, and must be an EC key, such as P-256`,
    );
  }
  const isIts = createPublicKey(key).export({ format: "der", type: "spki" }).equals(
    Buffer.from(certificate.publicKey.rawData),
  );
  if (!isIts) throw new KeyFileError("the certificate is for another key");
  return pairOf(certificate, key);
}

/** A certificate or key in a file that can't be used. */
export class KeyFileError extends SkepError {
  readonly code = "SKEP_KEY_FILE";
}

function keyFromPem(pem: string): KeyObject {
  const block = firstBlock(pem, "(?:EC )?PRIVATE KEY");
  try {
    return createPrivateKey(block);
  } catch {
    try {
      return createPrivateKey({ key: Buffer.from(derOf(block)), format: "der", type: "sec1" });
    } catch (error) {
      throw new KeyFileError(`the key can't be read: ${(error as Error).message}`);
    }
  }
}

function firstBlock(pem: string, label: string): string {
  const [found] = new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----`).exec(pem) ?? [];
  if (found === undefined) throw new KeyFileError(`there is no PEM block for it (${label.replace("(?:EC )?", "")})`);
  return found;
}

/** The addresses and names a certificate is for, and whether this CA has signed it and its time is not over. */
export async function servesAs(ca: CertificateAuthority, certDer: Uint8Array, now: number): Promise<readonly string[]> {
  const certificate = new X509Certificate(Buffer.from(certDer));
  const isGood = certificate.notAfter.getTime() > now &&
    await certificate.verify({ publicKey: ca.certificate, signatureOnly: true });
  if (!isGood) return [];
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
  return names.map(({ value }) => value);
}

/** A server certificate for these addresses: IP literals become IP names, the rest DNS names; empty ones are left out. */
export async function issueServer(
  ca: CertificateAuthority,
  subject: Subject,
  hosts: readonly string[],
  now: number,
): Promise<KeyPair> {
  const keys = await newKeys();
  const names = hosts.filter((host) => host !== "").map((host) => ({
    type: isIP(host) === 0 ? "dns" as const : "ip" as const,
    value: host,
  }));
  const certificate = await sign(ca, nameOf(subject), keys.publicKey, now, LONG_DAYS * DAY_MS, [
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
    new ExtendedKeyUsageExtension([usage.server]),
    new SubjectAlternativeNameExtension(names),
  ]);
  return pairOf(certificate, await exportKey(keys.privateKey));
}

/** A client certificate made here, key and all (fleets that skip enrolment, kubeconfigs). */
export async function issueClient(
  ca: CertificateAuthority,
  subject: Subject,
  now: number,
  days = 365,
): Promise<KeyPair> {
  const keys = await newKeys();
  const certificate = await sign(
    ca,
    nameOf(subject),
    keys.publicKey,
    now,
    days * DAY_MS,
    clientExtensions([usage.client]),
  );
  return pairOf(certificate, await exportKey(keys.privateKey));
}

/** A request that can't be signed; the message is the one KubeEdge's server gives. */
export class CsrError extends SkepError {
  readonly code = "SKEP_CSR";
}

/** What a certificate request asks for. */
export interface CertificateRequest {
  readonly subject: Subject;
  readonly publicKey: CryptoKey;
  /** DNS names and addresses; other kinds of names are left out, as Go's server leaves them. */
  readonly names: readonly { readonly type: "dns" | "ip"; readonly value: string }[];
}

/** What a certificate may be used for, by Go's `x509.ExtKeyUsage` numbers, which edges send. */
const usagesByNumber: readonly string[] = [
  "2.5.29.37.0", // any
  usage.server,
  usage.client,
  "1.3.6.1.5.5.7.3.3", // code signing
  "1.3.6.1.5.5.7.3.4", // e-mail protection
  "1.3.6.1.5.5.7.3.5", // IPsec end system
  "1.3.6.1.5.5.7.3.6", // IPsec tunnel
  "1.3.6.1.5.5.7.3.7", // IPsec user
  "1.3.6.1.5.5.7.3.8", // time stamping
  "1.3.6.1.5.5.7.3.9", // OCSP signing
];

/** The usages of an `ExtKeyUsages` header, a JSON list of numbers; client authentication where it is empty. Throws CsrError. */
export function usagesIn(header: string): readonly string[] {
  if (header === "") return [usage.client];
  const failed = (why: string) => new CsrError(`unmarshal http header ExtKeyUsages fail, err: ${why}`);
  let numbers: unknown;
  try {
    numbers = JSON.parse(header);
  } catch (error) {
    throw failed((error as Error).message);
  }
  if (!Array.isArray(numbers)) throw failed("a list of numbers was expected");
  const usages = numbers.map((number) => typeof number === "number" ? usagesByNumber[number] : undefined);
  if (usages.some((found) => found === undefined)) throw failed(`${header} has an unknown usage`);
  return usages.length === 0 ? [usage.client] : usages as string[];
}

/** The first byte of every certificate request in DER. */
const DER_SEQUENCE = 0x30;

/** Reads a DER certificate request and checks that its signature is its own key's. Throws CsrError. */
export async function readRequest(der: Uint8Array): Promise<CertificateRequest> {
  // The library would read PEM too; KubeEdge takes DER alone.
  if (der[0] !== DER_SEQUENCE) throw new CsrError("failed to parse csr, err: asn1: it is not DER");
  let request: Pkcs10CertificateRequest;
  try {
    request = new Pkcs10CertificateRequest(Buffer.from(der));
  } catch (error) {
    throw new CsrError(`failed to parse csr, err: asn1: ${(error as Error).message}`);
  }
  const commonName = request.subjectName.getField("CN")[0] ?? "";
  if (commonName === "") throw new CsrError("must specify a CommonName");
  if (!await request.verify()) throw new CsrError("the signature of the request is not its key's");
  const organization = request.subjectName.getField("O")[0];
  const publicKey = await request.publicKey.export(algorithm, ["verify"]);
  return {
    subject: { commonName, ...(organization === undefined ? {} : { organization }) },
    publicKey,
    names: namesIn(request),
  };
}

function namesIn(request: Pkcs10CertificateRequest): CertificateRequest["names"] {
  const asked = request.getExtension("2.5.29.17");
  if (asked === null) return [];
  const { names } = new SubjectAlternativeNameExtension(asked.rawData);
  return names.toJSON().flatMap(({ type, value }) => type === "dns" || type === "ip" ? [{ type, value }] : []);
}

/** Signs a request: common name, organization and names from it, the rest ours. Returns the certificate's DER. */
export async function signRequest(
  ca: CertificateAuthority,
  request: CertificateRequest,
  now: number,
  lifetimeMs: number,
  usages: readonly string[] = [usage.client],
): Promise<Uint8Array> {
  const certificate = await sign(
    ca,
    nameOf(request.subject),
    request.publicKey,
    now,
    lifetimeMs,
    [
      ...clientExtensions(usages),
      ...(request.names.length === 0 ? [] : [new SubjectAlternativeNameExtension([...request.names])]),
    ],
  );
  return new Uint8Array(certificate.rawData);
}

/**
 * A name that a certificate with these usages must not have, because it is the hub's: its holder could impersonate the hub
 * before other edges. Loopback names are allowed.
 */
export function hubNameIn(
  request: CertificateRequest,
  usages: readonly string[],
  hub: readonly string[],
): string | undefined {
  const isForServers = usages.some((found) =>
    found !== usage.client && (found === usage.server || found === usagesByNumber[0])
  );
  if (!isForServers) return undefined;
  const isOwn = (name: string) => /^(127\.|localhost$|::1$)/.test(name);
  return request.names.map(({ value }) => value).find((name) =>
    name.includes("*") || (hub.map(sameName).includes(sameName(name)) && !isOwn(name))
  );
}

/** One spelling for each address and name. */
export function sameName(name: string): string {
  if (isIP(name) !== 6 || name.includes("%")) return name.toLowerCase();
  const address = new URL(`http://[${name}]`).hostname.slice(1, -1);
  // An IPv4-mapped IPv6 address counts as the IPv4 address, as certificate checks compare them.
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const bytes = [high, low].map((word) => parseInt(word, 16)).flatMap((word) => [word >> 8, word & 255]);
  return bytes.join(".");
}

/** Common name and organization of a certificate in DER. */
export function subjectOf(certDer: Uint8Array): Subject {
  const name = new X509Certificate(Buffer.from(certDer)).subjectName;
  const organization = name.getField("O")[0];
  return { commonName: name.getField("CN")[0] ?? "", ...(organization === undefined ? {} : { organization }) };
}

/** From when to when a certificate in PEM is good, Unix milliseconds. */
export function validityOf(certPem: string): { readonly from: number; readonly to: number } {
  // Each joining edge asks: OpenSSL reads a certificate in a fraction of the time that the library takes.
  const { validFrom, validTo } = new NodeX509Certificate(certPem);
  return { from: Date.parse(validFrom), to: Date.parse(validTo) };
}

export { algorithm as keyAlgorithm };

/** SEC1 PEM of a private key, which is what TLS stacks and KubeEdge's files hold. */
export async function exportKey(key: CryptoKey): Promise<KeyObject> {
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", key));
  return createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
}

export function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

export function nameOf(subject: Subject): Name {
  // PrintableString, as Go writes it: Deno compares the issuer's bytes with the CA's subject.
  const field = (type: string, value: string) => ({ [type]: [{ printableString: value }] });
  return new Name([
    ...(subject.organization === undefined ? [] : [field("O", subject.organization)]),
    field("CN", subject.commonName),
  ]);
}

export function pemOf(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The DER inside a PEM text. */
export function derOf(pem: string): Uint8Array {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
}

/** Nearly all are the same: those of an edge. */
let edgeExtensions: Extension[] | undefined;

function clientExtensions(usages: readonly string[]): Extension[] {
  const isEdge = usages.length === 1 && usages[0] === usage.client;
  if (isEdge && edgeExtensions !== undefined) return edgeExtensions;
  const extensions = [
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
    new ExtendedKeyUsageExtension([...usages]),
  ];
  if (isEdge) edgeExtensions = extensions;
  return extensions;
}

async function sign(
  ca: CertificateAuthority,
  subject: Name,
  publicKey: CryptoKey,
  now: number,
  lifetimeMs: number,
  extensions: Extension[],
) {
  const serial = crypto.getRandomValues(new Uint8Array(8));
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  return await X509CertificateGenerator.create({
    serialNumber: Buffer.from(serial).toString("hex"),
    subject,
    issuer: ca.certificate.subjectName,
    notBefore: new Date(now - 1000),
    notAfter: new Date(now + lifetimeMs),
    publicKey,
    signingKey: ca.signingKey,
    signingAlgorithm: algorithm,
    extensions: [...extensions, await keyIdentifierOf(ca)],
  });
}

/** The same in every certificate that a CA signs. */
const keyIdentifiers = new WeakMap<CertificateAuthority["certificate"], Promise<Extension>>();

function keyIdentifierOf({ certificate }: CertificateAuthority): Promise<Extension> {
  let identifier = keyIdentifiers.get(certificate);
  if (identifier === undefined) {
    identifier = AuthorityKeyIdentifierExtension.create(certificate.publicKey);
    keyIdentifiers.set(certificate, identifier);
  }
  return identifier;
}

function pairOf(certificate: X509Certificate, key: KeyObject): KeyPair {
  const certDer = new Uint8Array(certificate.rawData);
  const keyDer = new Uint8Array(key.export({ format: "der", type: "sec1" }));
  return { certDer, keyDer, certPem: pemOf("CERTIFICATE", certDer), keyPem: pemOf("EC PRIVATE KEY", keyDer) };
}

async function authorityOf(pair: KeyPair): Promise<CertificateAuthority> {
  const pkcs8 = createPrivateKey(pair.keyPem).export({ format: "der", type: "pkcs8" });
  const signingKey = await crypto.subtle.importKey("pkcs8", new Uint8Array(pkcs8), algorithm, false, ["sign"]);
  createPublicKey(pair.certPem);
  return { ...pair, certificate: new X509Certificate(Buffer.from(pair.certDer)), signingKey };
}
