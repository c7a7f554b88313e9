// The hub's certificates and tokens as others see them: in the cluster's secrets, on its ports, on what it signs.
import "reflect-metadata";
import { createHmac, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import {
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509Certificate as Certificate,
} from "@peculiar/x509";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requestHttps } from "../../base/transport/https-client.ts";
import { prepareCertificates, refreshToken } from "../../cloud/cloudhub/certificates.ts";
import { defaultConfig } from "../../cloud/config/config.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import {
  type CertificateAuthority,
  createAuthority,
  derOf,
  issueClient,
  issueServer,
  keyAlgorithm,
  newKeys,
  pairFromPem,
} from "../../protocol/pki/ca.ts";
import { createNodeRequest, legacySubject, nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { createToken, parseToken, refuseJwt } from "../../protocol/pki/token.ts";
import { until } from "../support/until.ts";
import { type Cloud, startApi, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(() => cloud.stop());

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
  readonly client?: { readonly certPem: string; readonly keyPem: string };
}

async function ask(at: Cloud, path: string, { method = "GET", headers = {}, body, client }: Asked = {}) {
  const answer = await requestHttps({
    method,
    url: `https://127.0.0.1:${at.core.hub.ports.https}${path}`,
    ca: at.core.hub.certificates.authority.certPem,
    headers,
    ...(body === undefined ? {} : { body }),
    ...(client === undefined ? {} : { cert: client.certPem, key: client.keyPem }),
    timeout: 5000,
    maxBody: 1024 * 1024,
  });
  return { status: answer.status, text: Buffer.from(answer.body).toString("utf8"), body: answer.body };
}

const bearer = (at: Cloud) => ({ authorization: `Bearer ${parseToken(at.core.hub.token).jwt}` });
const secretOf = (at: { kube: KubeClient }, name: string) =>
  at.kube.get({ resource: resources.secrets, namespace: "kubeedge", name });
const bytesIn = (secret: unknown, key: string) => Buffer.from(textAt(secret, "data", key), "base64");

/** A request with more in it than an edge's. */
async function richRequest(
  subject: Record<string, string>[],
  names?: { type: "dns" | "ip" | "email"; value: string }[],
) {
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: new Name(
      subject.map((field) => Object.fromEntries(Object.entries(field).map(([k, v]) => [k, [{ printableString: v }]]))),
    ).toJSON(),
    keys: await newKeys(),
    signingAlgorithm: keyAlgorithm,
    ...(names === undefined ? {} : { extensions: [new SubjectAlternativeNameExtension(names)] }),
  });
  return new Uint8Array(request.rawData);
}

describe("the secrets", () => {
  test("namespace kubeedge and three Opaque secrets hold the CA, the server's pair and the token, in KubeEdge's forms", async () => {
    const [ca, server, token] = await Promise.all(
      ["casecret", "cloudcoresecret", "tokensecret"].map((n) => secretOf(cloud, n)),
    );
    expect([ca, server, token].map((secret) => secret?.type)).toEqual(["Opaque", "Opaque", "Opaque"]);
    const caDer = bytesIn(ca, "cadata");
    expect(new X509Certificate(caDer).subject).toBe("CN=KubeEdge");
    const pem = (label: string, der: Uint8Array) =>
      `-----BEGIN ${label}-----\n${Buffer.from(der).toString("base64")}\n-----END ${label}-----`;
    // SEC1 keys that belong to their certificates, or this throws.
    pairFromPem(pem("CERTIFICATE", caDer), pem("EC PRIVATE KEY", bytesIn(ca, "cakeydata")));
    pairFromPem(
      pem("CERTIFICATE", bytesIn(server, "cloudcoredata")),
      pem("EC PRIVATE KEY", bytesIn(server, "cloudcorekeydata")),
    );
    expect(bytesIn(token, "tokendata").toString("utf8")).toBe(cloud.core.hub.token);
  });

  test("two cloudcores that start together on an empty cluster have the same CA and serve with the same certificate", async () => {
    const { api } = await startApi();
    const clients = [1, 2, 3].map(() => new KubeClient(tokenKubeConfig(api.access)));
    const options = { ...defaultConfig, now: Date.now() };
    const all = await Promise.all(clients.map((client) => prepareCertificates(client, options)));
    expect(new Set(all.map(({ authority }) => authority.certPem)).size).toBe(1);
    expect(new Set(all.map(({ server }) => server.certPem)).size).toBe(1);
    for (const client of clients) await client.close();
    await api.stop();
  });

  test("a restart keeps the server's certificate; one for further addresses serves the former ones too", async () => {
    const { api } = await startApi();
    const client = new KubeClient(tokenKubeConfig(api.access));
    const prepare = (...advertiseAddress: string[]) =>
      prepareCertificates(client, { ...defaultConfig, advertiseAddress, now: Date.now() });
    const first = await prepare("192.0.2.1", "hub.example");
    expect((await prepare("192.0.2.1")).server.certPem).toBe(first.server.certPem);
    const wider = await prepare("192.0.2.2");
    const certificate = new X509Certificate(wider.server.certPem);
    expect([certificate.checkIP("192.0.2.1"), certificate.checkIP("192.0.2.2"), certificate.checkHost("hub.example")])
      .toEqual(["192.0.2.1", "192.0.2.2", "hub.example"]);
    await client.close();
    await api.stop();
  });

  test("the token is renewed at half its life, the old one stays good, and a renewal that fails is repeated", async () => {
    const short = await startCloud({ config: { tokenLifetime: 2000 } });
    try {
      const first = short.core.hub.token;
      await until("there is another token", () => short.core.hub.token !== first);
      const { authority } = short.core.hub.certificates;
      expect(parseToken(short.core.hub.token).caHash).toBe(parseToken(first).caHash);
      expect(await refuseJwt(authority, parseToken(first).jwt, Date.now() - 1000)).toBeUndefined();
      await until(
        "it stands in the secret",
        async () => bytesIn(await secretOf(short, "tokensecret"), "tokendata").toString() === short.core.hub.token,
      );
      await short.api.restart();
      const later = short.core.hub.token;
      await until("it goes on after the API was away", () => short.core.hub.token !== later, 15_000);
      const own = await refreshToken(short.kube, authority, Date.now() + 60_000);
      expect(bytesIn(await secretOf(short, "tokensecret"), "tokendata").toString()).toBe(own);
    } finally {
      await short.stop();
    }
  });

  test("a pair of files is used and written to the secrets; a certificate for another key is refused with the files' names", async () => {
    const { api } = await startApi();
    const client = new KubeClient(tokenKubeConfig(api.access));
    const dir = await mkdtemp(join(tmpdir(), "skep-pem-"));
    const path = (name: string) => join(dir, name);
    const authority = await createAuthority("KubeEdge", Date.now());
    const server = await issueServer(authority, { commonName: "KubeEdge" }, ["192.0.2.7"], Date.now());
    await writeFile(path("ca.crt"), `Some text before it.\n${authority.certPem}`);
    await writeFile(path("ca.key"), authority.keyPem);
    await writeFile(path("s.crt"), server.certPem);
    await writeFile(path("s.key"), server.keyPem);
    const files = { ca: path("ca.crt"), caKey: path("ca.key"), cert: path("s.crt"), key: path("s.key") };
    const prepared = await prepareCertificates(client, { ...defaultConfig, certificateFiles: files, now: Date.now() });
    expect([prepared.authority.certPem, prepared.server.certPem]).toEqual([authority.certPem, server.certPem]);
    expect(bytesIn(await secretOf({ kube: client }, "cloudcoresecret"), "cloudcoredata")).toEqual(
      Buffer.from(server.certDer),
    );
    expect(bytesIn(await secretOf({ kube: client }, "casecret"), "cadata")).toEqual(Buffer.from(authority.certDer));
    const mixed = { ...files, key: path("ca.key") };
    await expect(prepareCertificates(client, { ...defaultConfig, certificateFiles: mixed, now: Date.now() })).rejects
      .toThrow(/s\.crt, .*ca\.key: the certificate is for another key/);
    const half = { ...files, key: path("none.key") };
    await expect(prepareCertificates(client, { ...defaultConfig, certificateFiles: half, now: Date.now() })).rejects
      .toThrow(/tlsCertFile and tlsPrivateKeyFile must both be there, or neither: .*none\.key is missing/);
    await client.close();
    await api.stop();
    await rm(dir, { recursive: true });
  });
});

describe("what is in the certificates", () => {
  const usagesOf = (der: Uint8Array) => {
    const certificate = new Certificate(Buffer.from(der));
    const usage = certificate.getExtension(KeyUsagesExtension);
    return {
      critical: usage?.critical,
      usages: usage?.usages,
      extended: certificate.getExtension(ExtendedKeyUsageExtension)?.usages,
      days: Math.round((certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 86_400_000),
      curve: (certificate.publicKey.algorithm as { namedCurve?: string }).namedCurve,
      signed: certificate.signatureAlgorithm,
    };
  };
  const [serverAuth, clientAuth] = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];
  const both = KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment;
  const ecdsa = { name: "ECDSA", hash: { name: "SHA-256" } };

  test("the CA's, the server's and an edge's usages, curves and lifetimes are KubeEdge's", async () => {
    const { authority, server } = cloud.core.hub.certificates;
    expect(usagesOf(authority.certDer)).toMatchObject({
      critical: true,
      usages: both | KeyUsageFlags.keyCertSign,
      extended: [serverAuth, clientAuth],
      curve: "P-256",
      signed: ecdsa,
    });
    expect(usagesOf(server.certDer)).toMatchObject({
      usages: both,
      extended: [serverAuth],
      days: 36_400,
      curve: "P-256",
    });
    const { csr } = await createNodeRequest("usages");
    const { body } = await ask(cloud, "/edge.crt", { headers: { ...bearer(cloud), nodename: "usages" }, body: csr });
    expect(usagesOf(body)).toMatchObject({
      critical: true,
      usages: both,
      extended: [clientAuth],
      days: 365,
      curve: "P-256",
    });
    const again = await ask(cloud, "/edge.crt", { headers: { ...bearer(cloud), nodename: "usages" }, body: csr });
    expect(new X509Certificate(again.body).serialNumber).not.toBe(new X509Certificate(body).serialNumber);
  });

  test("of a request's subject only CN and O are kept, of its names the DNS names and addresses", async () => {
    const csr = await richRequest(
      [{ C: "CN" }, { L: "Hangzhou" }, { O: nodeOrganization }, { CN: nodeCommonName("rich") }],
      [{ type: "dns", value: "rich.example" }, { type: "ip", value: "192.0.2.9" }, {
        type: "email",
        value: "a@b.example",
      }],
    );
    const { body, status } = await ask(cloud, "/edge.crt", {
      headers: { ...bearer(cloud), nodename: "rich" },
      body: csr,
    });
    expect(status).toBe(200);
    const certificate = new X509Certificate(body);
    expect(certificate.subject.split("\n")).toEqual(["O=system:nodes", "CN=system:node:rich"]);
    expect(certificate.subjectAltName).toBe("DNS:rich.example, IP Address:192.0.2.9");
  });
});

describe("tokens", () => {
  test("are JWTs of one claim, signed with the CA key's SEC1 bytes, behind the CA's hash; Go's own comes out byte for byte", async () => {
    const { authority } = cloud.core.hub.certificates;
    const [hash = "", head = "", claims = "", signature = ""] = cloud.core.hub.token.split(".");
    const decoded = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(decoded(head)).toEqual({ alg: "HS256", typ: "JWT" });
    expect(Object.keys(decoded(claims))).toEqual(["exp"]);
    expect(decoded(claims).exp * 1000 - Date.now()).toBeGreaterThan(23 * 3_600_000);
    expect(signature).toBe(createHmac("sha256", authority.keyDer).update(`${head}.${claims}`).digest("base64url"));
    expect(hash).toHaveLength(64);
    const go = {
      certDer: Buffer.from("ca-der-bytes"),
      keyDer: Buffer.from("ca-key-der-bytes"),
    } as unknown as CertificateAuthority;
    expect(await createToken(go, 1_795_496_468_000)).toBe(
      "3ba2b07c82f957285f41976824ec8d47850fd9152ea7d295cf2d0d69be681c6b.eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTU0OTY0Njh9.FCQ_5wxspF2MRJpeEzMhOuB5AbE695nopU8AZdvB1DQ",
    );
  });

  test.each(["HS384", "HS512"])("signed with %s are taken too", async (alg) => {
    const { authority } = cloud.core.hub.certificates;
    const jwt = await new SignJWT({}).setProtectedHeader({ alg }).setExpirationTime("1h").sign(authority.keyDer);
    const { csr } = await createNodeRequest("hs");
    const headers = { authorization: `Bearer ${jwt}`, nodename: "hs" };
    expect((await ask(cloud, "/edge.crt", { headers, body: csr })).status).toBe(200);
  });
});

describe("the enrolment server", () => {
  test("does not look at the word before the token nor at the kind of content; names what it allows where the method is wrong", async () => {
    const { csr } = await createNodeRequest("word");
    const headers = {
      authorization: `Anything ${parseToken(cloud.core.hub.token).jwt}`,
      nodename: "word",
      "content-type": "text/html",
    };
    expect((await ask(cloud, "/edge.crt", { headers, body: csr })).status).toBe(200);
    const allow = await new Promise<string | undefined>((resolve) => {
      const { port } = { port: cloud.core.hub.ports.https };
      https.request(
        { port, host: "127.0.0.1", path: "/ca.crt", method: "PUT", rejectUnauthorized: false },
        (response) => {
          response.resume();
          resolve(`${response.statusCode} ${response.headers.allow}`);
        },
      ).end();
    });
    expect(allow).toBe("405 GET");
  });

  test("a request without a common name is refused in KubeEdge's words", async () => {
    const csr = await richRequest([{ O: nodeOrganization }]);
    const { status, text } = await ask(cloud, "/edge.crt", { headers: { ...bearer(cloud), nodename: "x" }, body: csr });
    expect([status, text]).toEqual([
      500,
      "failed to sign certs for edgenode x, err: fail to signCerts, err: must specify a CommonName",
    ]);
  });

  test("ExtKeyUsages says what the certificate is for; what can't be read is refused", async () => {
    const { csr } = await createNodeRequest("eku");
    const sign = (extkeyusages: string) =>
      ask(cloud, "/edge.crt", { headers: { ...bearer(cloud), nodename: "eku", extkeyusages }, body: csr });
    const usages = (der: Uint8Array) =>
      new Certificate(Buffer.from(der)).getExtension(ExtendedKeyUsageExtension)?.usages;
    expect(usages((await sign("[1,2]")).body)).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(usages((await sign("[]")).body)).toEqual(["1.3.6.1.5.5.7.3.2"]);
    for (const bad of ["client", "{}", "[99]", '["2"]']) {
      const { status, text } = await sign(bad);
      expect(status, bad).toBe(500);
      expect(text).toContain(
        "failed to sign certs for edgenode eku, err: unmarshal http header ExtKeyUsages fail, err: ",
      );
    }
  });

  test("no edge gets a certificate for servers, in the hub's name or any other", async () => {
    const own = await startCloud({
      config: { advertiseAddress: ["192.0.2.1", "hub.example", "2001:db8::5", "127.0.0.1"] },
    });
    try {
      const subject = [{ O: nodeOrganization }, { CN: nodeCommonName("liar") }];
      const sign = async (names: { type: "dns" | "ip"; value: string }[], extkeyusages: string) => {
        const csr = await richRequest(subject, names);
        return await ask(own, "/edge.crt", { headers: { ...bearer(own), nodename: "liar", extkeyusages }, body: csr });
      };
      for (
        const name of [
          { type: "ip", value: "192.0.2.1" },
          { type: "dns", value: "HUB.example" },
          { type: "ip", value: "2001:db8:0:0::5" },
          { type: "ip", value: "::ffff:c000:201" },
          { type: "dns", value: "*.example" },
        ] as const
      ) {
        const { status, text } = await sign([name], "[1,2]");
        expect([status, text], name.value).toEqual([
          500,
          expect.stringContaining("is a name of the hub, or a pattern that matches one"),
        ]);
        expect((await sign([name], "[0]")).status).toBe(500);
      }
      // For clients alone it proves nothing, and a metaServer's own address is its own.
      expect((await sign([{ type: "ip", value: "192.0.2.1" }], "[2]")).status).toBe(200);
      expect((await sign([{ type: "dns", value: "fe80::1%eth0" }], "[1]")).status).not.toBe(401);
      expect((await sign([{ type: "ip", value: "169.254.30.10" }, { type: "ip", value: "127.0.0.1" }], "[1,2]")).status)
        .toBe(200);
      const again = await prepareCertificates(own.kube, {
        ...defaultConfig,
        advertiseAddress: ["2001:db8:0:0::5"],
        now: Date.now(),
      });
      expect(again.server.certPem).toBe(own.core.hub.certificates.server.certPem);
    } finally {
      await own.stop();
    }
  });

  test("a client certificate decides alone: beside a bad one a good token does not help", async () => {
    const { authority } = cloud.core.hub.certificates;
    const stranger = await createAuthority("KubeEdge", Date.now());
    const subject = { commonName: nodeCommonName("cert"), organization: nodeOrganization };
    const { csr } = await createNodeRequest("cert");
    const sign = (client: { certPem: string; keyPem: string }) =>
      ask(cloud, "/edge.crt", { headers: { ...bearer(cloud), nodename: "cert" }, body: csr, client });
    expect((await sign(await issueClient(authority, subject, Date.now()))).status).toBe(200);
    const bad = {
      "of another node": await issueClient(authority, { ...subject, commonName: nodeCommonName("other") }, Date.now()),
      "of another CA": await issueClient(stranger, subject, Date.now()),
      "whose time is over": await issueClient(authority, subject, Date.now() - 3 * 86_400_000, 1),
      "for servers only": await issueServer(authority, subject, ["x.example"], Date.now()),
    };
    for (const [what, client] of Object.entries(bad)) {
      const { status, text } = await sign(client);
      expect(status, what).toBe(401);
      expect(text).toContain("failed to verify the certificate for edgenode: cert, err: ");
    }
  });

  test("the one certificate of KubeEdge v1.1 may ask for any node where the header says who an edge is, and only there", async () => {
    const open = await startCloud({ config: { identity: "header" } });
    try {
      for (const [at, expected] of [[open, 200], [cloud, 401]] as const) {
        const client = await issueClient(at.core.hub.certificates.authority, legacySubject, Date.now());
        const { csr } = await createNodeRequest("old");
        expect((await ask(at, "/edge.crt", { headers: { nodename: "old" }, body: csr, client })).status).toBe(expected);
      }
    } finally {
      await open.stop();
    }
  });

  test("says so where it can't find out whether a node exists", async () => {
    const cut = await startCloud();
    try {
      await cut.api.stop();
      const { status, text } = await ask(cut, "/node/any");
      expect([status, text]).toEqual([500, "Failed to query node information"]);
    } finally {
      await cut.stop();
    }
  });

  test("takes reports of upgrades and tasks, and refuses what is none or too long", async () => {
    const post = (path: string, body: string) => ask(cloud, path, { method: "POST", body: Buffer.from(body) });
    const task = "/task/upgrade/name/t/node/n/status";
    for (const path of ["/nodeupgrade", task]) {
      expect(await post(path, '{"NodeName":"n"}')).toMatchObject({ status: 200, text: "ok" });
      expect((await post(path, "no")).status).toBe(400);
      // The server answers before it has read it all; the client may see its own writing fail first.
      const long = await post(path, "x".repeat(3 * 1024 * 1024 + 1)).then(({ status }) => String(status), String);
      expect(long).toMatch(/^400$|ECONNRESET|EPIPE/);
      expect((await ask(cloud, path)).status).toBe(405);
    }
  });
});

describe("the WebSocket port", () => {
  /** What a TLS client is told, with this certificate. */
  function knock(client?: { certPem: string; keyPem: string }): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({
        host: "127.0.0.1",
        port: cloud.core.hub.ports.websocket,
        rejectUnauthorized: false,
        ...(client === undefined ? {} : { cert: client.certPem, key: client.keyPem }),
      }, () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
      socket.once("data", (data) => {
        resolve(`answered ${String(data).split("\r\n")[0]}`);
        socket.destroy();
      });
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(`${error.code} ${error.message}`));
      socket.once("close", () => resolve("closed"));
    });
  }

  test("takes client certificates of its CA only: none, or another CA's, ends in TLS", async () => {
    const subject = { commonName: nodeCommonName("n"), organization: nodeOrganization };
    const stranger = await issueClient(await createAuthority("KubeEdge", Date.now()), subject, Date.now());
    const own = await issueClient(cloud.core.hub.certificates.authority, subject, Date.now());
    // Deno's TLS tells the alert as a reset connection.
    expect(await knock()).toMatch(/CERTIFICATE_REQUIRED|certificate required|ECONNRESET|closed/i);
    expect(await knock(stranger)).toMatch(/UNKNOWN_CA|unknown.?ca|ECONNRESET|closed/i);
    expect(await knock(own)).toBe("answered HTTP/1.1 400 Bad Request");
    expect(derOf(own.certPem).length).toBeGreaterThan(0);
  });
});
