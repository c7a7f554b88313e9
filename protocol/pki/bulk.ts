// Certificates for whole fleets, several thousand a second: written in DER by hand, since libraries make a few hundred.
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { type CertificateAuthority, pemOf, type Subject } from "./ca.ts";

/** A client's certificate and its own key, as TLS takes them. */
export interface ClientPair {
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
}

const DAY_MS = 86_400_000;

/** The bytes of an ASN.1 value: tag, length, contents. */
function value(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const contents = Buffer.concat(parts);
  const { length } = contents;
  if (length > 0xffff) throw new RangeError(`${length} bytes are too many for a certificate`);
  const header = length < 128
    ? [tag, length]
    : length < 256
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Uint8Array.from(header), contents]);
}

const SEQUENCE = 0x30;
const oid = (hex: string) => value(6, Buffer.from(hex, "hex"));
const ecdsaWithSha256 = value(SEQUENCE, oid("2a8648ce3d040302"));
const commonNameType = oid("550403");
const organizationType = oid("55040a");

/** What edges' certificates have: key usage digitalSignature (critical), extended key usage clientAuth. */
const extensions = value(
  0xa3,
  value(
    SEQUENCE,
    value(SEQUENCE, oid("551d0f"), Uint8Array.of(1, 1, 255), value(4, value(3, Uint8Array.of(7, 0x80)))),
    value(SEQUENCE, oid("551d25"), value(4, value(SEQUENCE, oid("2b06010505070302")))),
  ),
);

/** As PrintableString, which is what Go writes. */
function attribute(type: Uint8Array, text: string): Buffer {
  if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)) throw new RangeError(`${text} can't be a name in a certificate`);
  return value(0x31, value(SEQUENCE, type, value(0x13, Buffer.from(text, "latin1"))));
}

/** UTCTime, and GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return date.getUTCFullYear() < 2050
    ? value(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : value(0x18, Buffer.from(`${digits}Z`));
}

/**
 * What makes client certificates of this authority: P-256, each with a key of its own, valid from an hour before `now` (Unix
 * milliseconds) for `days`. The issuer's name is copied byte for byte from the authority's certificate: Deno compares it so.
 */
export function bulkIssuer(authority: CertificateAuthority, now: number, days = 365): (subject: Subject) => ClientPair {
  const signingKey = createPrivateKey(authority.keyPem);
  const issuer = new Uint8Array(authority.certificate.subjectName.toArrayBuffer());
  const validity = value(SEQUENCE, time(new Date(now - 3_600_000)), time(new Date(now + days * DAY_MS)));
  return ({ commonName, organization }) => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding: { type: "spki", format: "der" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const serial = randomBytes(8);
    // Positive, and of full length.
    serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
    const subject = value(
      SEQUENCE,
      ...(organization === undefined ? [] : [attribute(organizationType, organization)]),
      attribute(commonNameType, commonName),
    );
    const body = value(
      SEQUENCE,
      value(0xa0, value(2, Uint8Array.of(2))),
      value(2, serial),
      ecdsaWithSha256,
      issuer,
      validity,
      subject,
      publicKey,
      extensions,
    );
    const signature = value(3, Uint8Array.of(0), sign("sha256", body, signingKey));
    return { certPem: pemOf("CERTIFICATE", value(SEQUENCE, body, ecdsaWithSha256, signature)), keyPem: privateKey };
  };
}
