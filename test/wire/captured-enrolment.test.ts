// What Go's enrolment server answered, request by request: ours does the same, or what docs/deviations.md says.
import https from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resources } from "../../cloud/kube/resource.ts";
import { issueClient } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { type BehaviourLine, behaviourLines } from "../support/captured.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(() => cloud.stop());

describe("n1: the enrolment server, asked as the captured client asked", () => {
  interface Exchange {
    readonly name: string;
    readonly request: { readonly first: string; readonly headers: readonly (readonly [string, string])[] };
    readonly body: Buffer;
    readonly status: number;
    readonly type: string;
    readonly answer: Buffer;
  }
  type Http = BehaviourLine & { readonly http?: Exchange["request"]; readonly body_b64?: string };
  const exchanges: Exchange[] = [];
  let request: Http | undefined;
  let response: Http | undefined;
  for (const line of behaviourLines().filter(({ step }) => step.startsWith("n1")) as Http[]) {
    if (line.kind === "http-request") request = line;
    if (line.kind === "http-response") response = line;
    if (line.note === undefined || request?.http === undefined || response?.http === undefined) continue;
    const typeHeader = response.http.headers.find(([name]) => name === "Content-Type");
    exchanges.push({
      name: line.note.slice(0, line.note.indexOf(": ")),
      request: request.http,
      body: Buffer.from(request.body_b64 ?? "", "base64"),
      status: Number(response.http.first.split(" ")[1]),
      type: typeHeader?.[1] ?? "",
      answer: Buffer.from(response.body_b64 ?? "", "base64"),
    });
    request = response = undefined;
  }
  /** Where ours answers otherwise, and why (docs/deviations.md): a request for another name is not signed. */
  const deviations: Readonly<Record<string, number>> = { "edge.crt, CSR name other than NodeName": 500 };

  test.each(exchanges)("$name", async ({ answer, body, name, request, status, type }) => {
    const { authority } = cloud.core.hub.certificates;
    const [method = "", path = ""] = request.first.split(" ");
    const { token } = cloud.core.hub;
    const jwt = token.slice(token.indexOf(".") + 1);
    const given = Object.fromEntries(request.headers.filter(([key]) => /^(accept|nodename)$/i.test(key)));
    const isSent = request.headers.some(([key]) => key === "Authorization");
    const sent = name.includes("4-part") ? token : name.includes("bad signature") ? `${jwt.slice(0, -4)}AAAA` : jwt;
    // The captured request asks for the node of the certificate that comes with it, or for another one.
    const subject = { commonName: nodeCommonName("n-n1"), organization: nodeOrganization };
    const pair = name.includes("client certificate") ? await issueClient(authority, subject, Date.now()) : undefined;
    if (name === "node, existing") {
      await cloud.kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "n-f1" } });
    }
    const options = {
      method,
      agent: false,
      ca: authority.certPem,
      headers: {
        ...given,
        ...(isSent ? { authorization: `Bearer ${sent}` } : {}),
        ...(body.length === 0 ? {} : { "content-length": body.length }),
      },
      ...(pair === undefined ? {} : { cert: pair.certPem, key: pair.keyPem }),
    };
    const ours = await new Promise<{ status: number; type: string; body: Buffer }>((resolve, reject) => {
      const url = `https://127.0.0.1:${cloud.core.hub.ports.https}${path}`;
      const asking = https.request(url, options, (got) => {
        const chunks: Uint8Array[] = [];
        got.on("data", (chunk) => chunks.push(chunk));
        got.on("end", () =>
          resolve({
            status: got.statusCode ?? 0,
            type: got.headers["content-type"] ?? "",
            body: Buffer.concat(chunks),
          }));
      });
      asking.on("error", reject);
      asking.end(body);
    });
    expect(ours.status).toBe(deviations[name] ?? status);
    if (name in deviations) return;
    expect(ours.type).toBe(type);
    if (type.startsWith("text/")) {
      // What a library says of the fault is its own; up to there the words are KubeEdge's.
      const words = (text: Buffer) => text.toString().replace(/(, err: ).*/s, "$1");
      expect(words(ours.body)).toBe(words(answer));
    } else expect(ours.body[0]).toBe(answer[0]);
  });
});
