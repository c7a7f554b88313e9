// The enrolment server: every case of KubeEdge's, with its words.
import https from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requestHttps } from "../../base/transport/https-client.ts";
import { enrol, fetchCa } from "../../edge-sim/edgehub/enrolment.ts";
import { createAuthority, derOf, issueClient, subjectOf } from "../../protocol/pki/ca.ts";
import { createNodeRequest } from "../../protocol/pki/request.ts";
import { createToken, parseToken } from "../../protocol/pki/token.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
let server = "";
beforeAll(async () => {
  cloud = await startCloud();
  server = `https://127.0.0.1:${cloud.core.hub.ports.https}`;
});
afterAll(() => cloud.stop());

async function ask(
  path: string,
  headers: Record<string, string> = {},
  body?: Uint8Array,
  client?: { cert: string; key: string },
) {
  const answer = await requestHttps({
    method: "GET",
    url: `${server}${path}`,
    ca: cloud.core.hub.certificates.authority.certPem,
    headers,
    ...(body === undefined ? {} : { body }),
    ...(client ?? {}),
    timeout: 5000,
    maxBody: 1024 * 1024,
  });
  return { status: answer.status, text: Buffer.from(answer.body).toString("utf8"), body: answer.body };
}

const options = () => ({ server, token: cloud.core.hub.token, timeout: 5000, signal: new AbortController().signal });

describe("enrolment", () => {
  test("gives the CA to anybody, and a certificate for the node of the token's bearer", async () => {
    const ca = await fetchCa(options());
    const credentials = await enrol("edge-9", ca, options());
    expect(subjectOf(derOf(credentials.cert))).toEqual({
      commonName: "system:node:edge-9",
      organization: "system:nodes",
    });
  });

  test("an edge refuses a CA that its token was not made for", async () => {
    const stranger = await createAuthority("KubeEdge", Date.now());
    const token = await createToken(stranger, Date.now() + 60_000);
    await expect(fetchCa({ ...options(), token })).rejects.toThrow("is not the one the token was made for");
  });

  test("says why it refuses a token", async () => {
    const { csr } = await createNodeRequest("n1");
    const { authority } = cloud.core.hub.certificates;
    const { jwt } = parseToken(cloud.core.hub.token);
    const expired = parseToken(await createToken(authority, Date.now() - 10_000)).jwt;
    const foreign = parseToken(await createToken(await createAuthority("x", Date.now()), Date.now() + 60_000)).jwt;
    const cases: [Record<string, string>, string][] = [
      [{}, "token validation failure, token is empty"],
      [{ authorization: jwt }, "token validation failure, token cannot be split"],
      [
        { authorization: `Bearer ${cloud.core.hub.token}` },
        "token validation failure, err: token is malformed: token contains an invalid number of segments",
      ],
      [
        { authorization: `Bearer ${foreign}` },
        "token validation failure, err: token signature is invalid: signature is invalid",
      ],
      [
        { authorization: `Bearer ${expired}` },
        "token validation failure, err: token has invalid claims: token is expired",
      ],
    ];
    for (const [headers, text] of cases) {
      expect(await ask("/edge.crt", { nodename: "n1", ...headers }, csr)).toMatchObject({ status: 401, text });
    }
  });

  test("signs no request that is none, or that is for another node than it says", async () => {
    const { jwt } = parseToken(cloud.core.hub.token);
    const headers = { nodename: "n1", authorization: `Bearer ${jwt}` };
    expect((await ask("/edge.crt", headers, new Uint8Array([1, 2]))).status).toBe(500);
    expect((await ask("/edge.crt", headers)).text).toContain(
      "failed to sign certs for edgenode n1, err: fail to signCerts",
    );
    const { csr } = await createNodeRequest("other");
    expect((await ask("/edge.crt", headers, csr)).text).toContain("the request is for system:nodes/system:node:other");
  });

  test("renews for a certificate at hand, its own node only", async () => {
    const { authority } = cloud.core.hub.certificates;
    const own = await issueClient(
      authority,
      { commonName: "system:node:n1", organization: "system:nodes" },
      Date.now(),
    );
    const { csr } = await createNodeRequest("n1");
    const client = { cert: own.certPem, key: own.keyPem };
    expect((await ask("/edge.crt", { nodename: "n1" }, csr, client)).status).toBe(200);
    expect(await ask("/edge.crt", { nodename: "n2" }, csr, client)).toMatchObject({
      status: 401,
      text:
        "failed to verify the certificate for edgenode: n2, err: request node name is not match with the certificate",
    });
  });

  test("a certificate without an organization is refused, not stumbled over", async () => {
    const { authority } = cloud.core.hub.certificates;
    const own = await issueClient(authority, { commonName: "system:node:n1" }, Date.now());
    const { csr } = await createNodeRequest("n1");
    expect((await ask("/edge.crt", { nodename: "n1" }, csr, { cert: own.certPem, key: own.keyPem })).status).toBe(401);
  });

  test("a body above 1 MiB is refused before it is read, and only after the token was looked at", async () => {
    const big = new Uint8Array(1024 * 1024 + 1);
    const { jwt } = parseToken(cloud.core.hub.token);
    const outcome = ask("/edge.crt", { nodename: "n1", authorization: `Bearer ${jwt}` }, big).then(
      (a) => a.status,
      () => "closed",
    );
    expect([500, "closed"]).toContain(await outcome);
    const withoutToken = ask("/edge.crt", { nodename: "n1" }, big).then((a) => a.status, () => "closed");
    expect([401, "closed"]).toContain(await withoutToken);
    expect((await ask("/ca.crt")).status).toBe(200);
  });

  test("knows its paths and methods", async () => {
    expect(await ask("/nothing")).toMatchObject({ status: 404, text: "404: Page Not Found" });
    expect(await ask("/node/nobody")).toMatchObject({ status: 404, text: "Node not found" });
    const status = await new Promise((resolve, reject) => {
      const request = https.request(
        `${server}/ca.crt`,
        { method: "POST", rejectUnauthorized: false, agent: false },
        (r) => {
          r.resume();
          resolve(r.statusCode);
        },
      );
      request.on("error", reject);
      request.end();
    });
    expect(status).toBe(405);
  });
});

test("a restarted cloudcore has the same CA, so that edges need not enrol again", async () => {
  const secret = await cloud.kube.get({
    resource: (await import("../../cloud/kube/resource.ts")).resources.secrets,
    namespace: "kubeedge",
    name: "casecret",
  });
  const stored = (secret.data as Record<string, string>).cadata as string;
  expect(Buffer.from(stored, "base64")).toEqual(Buffer.from(cloud.core.hub.certificates.authority.certDer));
});
