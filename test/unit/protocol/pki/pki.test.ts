import { X509Certificate } from "node:crypto";
import "reflect-metadata";
import { ExtendedKeyUsageExtension, X509Certificate as Certificate } from "@peculiar/x509";
import { describe, expect, test } from "vitest";
import {
  createAuthority,
  CsrError,
  derOf,
  issueClient,
  issueServer,
  loadAuthority,
  loadKeyPair,
  pemOf,
  readRequest,
  signRequest,
  subjectOf,
} from "../../../../protocol/pki/ca.ts";
import { createNodeRequest } from "../../../../protocol/pki/request.ts";
import { caHash, createToken, parseToken, refuseJwt, TokenError } from "../../../../protocol/pki/token.ts";

const now = Date.now();
const hour = 3_600_000;
const ca = await createAuthority("KubeEdge", now);

describe("certificates", () => {
  test("the CA is KubeEdge's: its name, no organization, a hundred years", () => {
    const certificate = new X509Certificate(ca.certPem);
    expect(certificate.subject).toBe("CN=KubeEdge");
    expect(certificate.ca).toBe(true);
    expect(Date.parse(certificate.validTo) - now).toBeGreaterThan(99 * 364 * 24 * hour);
  });

  test("a server's names its addresses, IP and DNS apart, and chains to the CA byte for byte", async () => {
    const server = await issueServer(ca, { commonName: "KubeEdge", organization: "KubeEdge" }, [
      "127.0.0.1",
      "cloud.example",
      "",
    ], now);
    const certificate = new X509Certificate(server.certPem);
    expect(certificate.subjectAltName).toContain("DNS:cloud.example");
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(certificate.verify(new X509Certificate(ca.certPem).publicKey)).toBe(true);
    expect(certificate.issuer).toBe(new X509Certificate(ca.certPem).subject);
  });

  test("a request is signed with its name and organization, for as long as we say", async () => {
    const { csr } = await createNodeRequest("edge-1");
    const der = await signRequest(ca, await readRequest(csr), now, hour);
    expect(subjectOf(der)).toEqual({ commonName: "system:node:edge-1", organization: "system:nodes" });
    const certificate = new X509Certificate(Buffer.from(der));
    expect(Date.parse(certificate.validTo)).toBeLessThanOrEqual(now + hour);
    // Node's and Deno's own `keyUsage` differ; the library reads the extension on both.
    const usages = new Certificate(Buffer.from(der)).getExtension(ExtendedKeyUsageExtension)?.usages;
    expect(usages).toEqual(["1.3.6.1.5.5.7.3.2"]);
  });

  test("a request that is none, or whose signature is not its key's, is refused", async () => {
    const { csr } = await createNodeRequest("edge-1");
    await expect(readRequest(new Uint8Array([1, 2, 3]))).rejects.toThrow(CsrError);
    const forged = Buffer.from(csr);
    const at = forged.indexOf("system:node:edge-1");
    forged.write("system:node:edge-2", at);
    await expect(readRequest(forged)).rejects.toThrow("signature");
  });

  test("authorities and pairs survive the form that secrets keep them in", async () => {
    const loaded = await loadAuthority(ca.certDer, ca.keyDer);
    const client = await issueClient(loaded, { commonName: "system:node:x", organization: "system:nodes" }, now);
    expect(new X509Certificate(client.certPem).verify(new X509Certificate(ca.certPem).publicKey)).toBe(true);
    expect(loadKeyPair(ca.certDer, ca.keyDer).keyPem).toContain("BEGIN EC PRIVATE KEY");
    expect(Buffer.from(derOf(pemOf("CERTIFICATE", ca.certDer)))).toEqual(Buffer.from(ca.certDer));
  });
});

describe("the bootstrap token", () => {
  test("has the CA's hash in front of a JWT that lives until it expires", async () => {
    const token = await createToken(ca, now + hour);
    const { caHash: hash, jwt } = parseToken(token);
    expect(hash).toBe(caHash(ca.certDer));
    expect(await refuseJwt(ca, jwt, now)).toBeUndefined();
    expect(await refuseJwt(ca, jwt, now + 2 * hour)).toBe("token has invalid claims: token is expired");
  });

  test("is refused in KubeEdge's words", async () => {
    const { jwt } = parseToken(await createToken(ca, now + hour));
    const other = await createAuthority("KubeEdge", now);
    expect(await refuseJwt(other, jwt, now)).toBe("token signature is invalid: signature is invalid");
    expect(await refuseJwt(ca, `hash.${jwt}`, now)).toContain("invalid number of segments");
  });

  test("the vector made by the Go program comes out the same", () => {
    expect(caHash(Buffer.from("ca-der-bytes"))).toBe(
      "3ba2b07c82f957285f41976824ec8d47850fd9152ea7d295cf2d0d69be681c6b",
    );
  });

  test("half a token is refused with what to do", () => {
    expect(() => parseToken("a.b.c")).toThrow(TokenError);
    expect(() => parseToken("a.b.c")).toThrow("copy the whole of it");
  });
});
