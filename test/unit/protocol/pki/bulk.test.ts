// Certificates written by hand: what OpenSSL, a TLS server and the library make of them.
import { X509Certificate } from "node:crypto";
import { connect, createServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { bulkIssuer } from "../../../../protocol/pki/bulk.ts";
import { createAuthority, issueServer, validityOf } from "../../../../protocol/pki/ca.ts";

const subject = { commonName: "system:node:edge-0", organization: "system:nodes" };

test("they are the CA's, for this node alone, with a key and a serial number each, for clients", async () => {
  const authority = await createAuthority("KubeEdge", Date.now());
  const issue = bulkIssuer(authority, Date.now());
  const [first, second] = [issue(subject), issue({ ...subject, commonName: "system:node:edge-1" })];
  const certificate = new X509Certificate(first.certPem);
  const ca = new X509Certificate(authority.certPem);
  expect(certificate.verify(ca.publicKey)).toBe(true);
  expect(certificate.checkIssued(ca)).toBe(true);
  expect(certificate.subject).toBe("O=system:nodes\nCN=system:node:edge-0");
  expect(certificate.ca).toBe(false);
  const other = new X509Certificate(second.certPem);
  expect(other.serialNumber).not.toBe(certificate.serialNumber);
  expect(first.keyPem).not.toBe(second.keyPem);
});

test("they are good for a year, or as long as asked, also past 2050", async () => {
  const authority = await createAuthority("KubeEdge", Date.now());
  const now = Date.UTC(2049, 11, 1);
  const { from, to } = validityOf(bulkIssuer(authority, now)(subject).certPem);
  expect([from, to]).toEqual([now - 3_600_000, now + 365 * 86_400_000]);
});

test("names that a certificate can't hold as Go writes them are refused, whatever else", async () => {
  const issue = bulkIssuer(await createAuthority("KubeEdge", Date.now()), Date.now());
  expect(() => issue({ commonName: "system:node:Łódź" })).toThrow("can't be a name in a certificate");
  expect(() => issue({ commonName: "a".repeat(70_000) })).toThrow("too many for a certificate");
});

test("a TLS server that asks for certificates of this CA takes them", async () => {
  const authority = await createAuthority("KubeEdge", Date.now());
  const { certPem, keyPem } = bulkIssuer(authority, Date.now())(subject);
  const own = await issueServer(authority, { commonName: "cloud" }, ["127.0.0.1"], Date.now());
  const server = createServer(
    { ca: authority.certPem, cert: own.certPem, key: own.keyPem, requestCert: true, rejectUnauthorized: true },
    (socket) => socket.end(String((socket.getPeerCertificate().subject as { CN?: string }).CN)),
  );
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const said = await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca: authority.certPem, cert: certPem, key: keyPem });
    socket.on("data", (data) => resolve(String(data))).on("error", reject);
  });
  expect(said).toBe("system:node:edge-0");
});
