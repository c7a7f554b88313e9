// What attackers and broken clients send to the embedded API: each gets an error Status, memory stays bounded, the server goes on.
import type { IncomingMessage } from "node:http";
import https from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ApiServer } from "../../cloud/apiserver/apiserver.ts";
import { encodeEnvelope } from "../../cloud/apiserver/types/protobuf-write.ts";
import { limits } from "../../protocol/limits.ts";
import { typeNameOf } from "../../cloud/apiserver/types/table.ts";
import { startApi } from "../support/start.ts";
import { until } from "../support/until.ts";

let api: ApiServer;
let agent: https.Agent;
beforeAll(async () => {
  ({ api } = await startApi({ token: "hostile" }));
  agent = new https.Agent({ keepAlive: true, maxSockets: 4, ca: api.access.ca });
  await send("POST", configmaps, '{"metadata":{"name":"there"},"data":{"a":"b"}}');
});
afterAll(async () => {
  agent.destroy();
  await api.stop();
});

const configmaps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";
const JSON_TYPE = "application/json";
const PROTOBUF = "application/vnd.kubernetes.protobuf";

interface Answer {
  readonly code: number;
  readonly body: {
    readonly kind?: string;
    readonly status?: string;
    readonly message?: string;
    readonly data?: unknown;
    readonly items?: unknown[];
  };
}

function send(method: string, path: string, body?: string | Uint8Array, type = JSON_TYPE): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: "Bearer hostile",
      ...(body === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(body) }),
    };
    const request = https.request(api.access.url + path, { method, agent, headers }, (response) => {
      let text = "";
      response.on("data", (chunk) => text += String(chunk));
      response.on("end", () => resolve({ code: response.statusCode ?? 0, body: JSON.parse(text) as Answer["body"] }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p" },
  spec: { containers: [{ name: "c", image: "i" }] },
};
const encoded = () => encodeEnvelope(typeNameOf("", "v1", "Pod") as string, "v1", "Pod", pod);
const magic = Buffer.from("k8s\0", "latin1");
/** Messages inside each other, as deep as asked: field 1 of each. */
const nested = (depth: number) => {
  let bytes = Buffer.alloc(0);
  for (let i = 0; i < depth; i++) {
    const length: number[] = [];
    for (let n = bytes.length;; n >>>= 7) {
      length.push(n > 127 ? (n & 127) | 128 : n);
      if (n <= 127) break;
    }
    bytes = Buffer.concat([Buffer.from([0x0a, ...length]), bytes]);
  }
  return bytes;
};
const bodies: Readonly<Record<string, [body: string | Uint8Array, type?: string]>> = {
  "null": ["null"],
  "a list": ["[]"],
  "a text": ['"x"'],
  "nothing": [""],
  "no end": ['{"metadata":{"name":"x"'],
  "lists in lists, ten thousand deep": [
    `{"metadata":{"name":"deep"},"data":${"[".repeat(10_000)}${"]".repeat(10_000)}}`,
  ],
  "objects in objects, ten thousand deep": [`${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`],
  "a name that is a prototype's": ['{"metadata":{"name":"__proto__"}}'],
  "a number for a text": ['{"metadata":{"name":"n"},"data":{"a":1}}'],
  "YAML that expands": [
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]`,
    "application/yaml",
  ],
  "YAML that is none": ["a: [", "application/yaml"],
  "an unknown type of body": ["{}", "text/plain"],
  "protobuf without its beginning": ["abc", PROTOBUF],
  "protobuf that ends early": [encoded().subarray(0, -5), PROTOBUF],
  "protobuf whose length lies by four gigabytes": [
    Buffer.concat([magic, Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3])]),
    PROTOBUF,
  ],
  "protobuf whose varint never ends": [Buffer.concat([magic, Buffer.alloc(64, 0xff)]), PROTOBUF],
  "protobuf a thousand messages deep": [
    Buffer.concat([
      magic,
      Buffer.from([0x0a, 0x09, 0x0a, 2, 0x76, 0x31, 0x12, 3, 0x50, 0x6f, 0x64, 0x12, 0x88, 0x10]),
      nested(700).subarray(0, 2056),
    ]),
    PROTOBUF,
  ],
};

describe("bodies", () => {
  test.each(Object.entries(bodies))("%s", async (_name, [body, type]) => {
    const { code, body: answer } = await send("POST", type === PROTOBUF ? pods : configmaps, body, type);
    expect([answer.kind, answer.status]).toEqual(["Status", "Failure"]);
    expect(code).toBeGreaterThanOrEqual(400);
    expect(code).toBeLessThan(500);
    expect(answer.message).not.toBe("");
  });

  test("of twenty megabytes are refused before they are sent", async () => {
    const headers = { authorization: "Bearer hostile", "content-type": JSON_TYPE, "content-length": 20 * 2 ** 20 };
    const code = await new Promise((resolve, reject) => {
      const request = https.request(api.access.url + configmaps, {
        method: "POST",
        agent: false,
        ca: api.access.ca,
        headers,
      });
      request.on("response", (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.on("error", reject);
      request.flushHeaders();
    });
    expect(code).toBe(413);
  });

  test("whose length nobody told are read no further than the limit", async () => {
    const headers = { authorization: "Bearer hostile", "content-type": JSON_TYPE };
    const piece = Buffer.alloc(65_536, " ");
    let sent = 0;
    await new Promise<void>((resolve) => {
      const request = https.request(api.access.url + configmaps, {
        method: "POST",
        agent: false,
        ca: api.access.ca,
        headers,
      });
      const end = () => {
        request.destroy();
        resolve();
      };
      request.on("response", end);
      request.on("error", end);
      const more = () => {
        while (!request.destroyed) {
          sent += piece.length;
          if (sent > 100 * 2 ** 20) return end();
          if (!request.write(piece)) return void request.once("drain", more);
        }
      };
      more();
    });
    // What lies in the buffers between them comes on top.
    expect(sent).toBeLessThan(limits.apiBody + 16 * 2 ** 20);
  });

  test("with bytes that are no UTF-8 or a key __proto__ change nothing but their own object", async () => {
    await send(
      "POST",
      configmaps,
      Buffer.concat([
        Buffer.from('{"metadata":{"name":"bytes"},"data":{"a":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}}'),
      ]),
    );
    const { code } = await send(
      "POST",
      configmaps,
      '{"metadata":{"name":"proto","labels":{"__proto__":"x"}},"data":{"__proto__":"y"},"__proto__":{"polluted":true}}',
    );
    expect(code).toBeLessThan(500);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

const patches: Readonly<Record<string, [type: string, body: string]>> = {
  "a JSON patch that is no list": ["application/json-patch+json", "{}"],
  "a JSON patch of ten thousand steps and one": [
    "application/json-patch+json",
    JSON.stringify(Array.from({ length: 10_001 }, () => ({ op: "add", path: "/data/a", value: "b" }))),
  ],
  "a JSON patch at a prototype": [
    "application/json-patch+json",
    '[{"op":"add","path":"/__proto__/polluted","value":true}]',
  ],
  "a JSON patch to nowhere": ["application/json-patch+json", '[{"op":"remove","path":"/no/where"}]'],
  "a merge patch that is a list": ["application/merge-patch+json", "[]"],
  "a merge patch that makes a text of the data": ["application/merge-patch+json", '{"data":"x"}'],
  "a strategic patch with a directive that there isn't": [
    "application/strategic-merge-patch+json",
    '{"metadata":{"$patch":"nothing"}}',
  ],
  "an apply without a manager": ["application/apply-patch+yaml", "a: b"],
  "an unknown kind of patch": ["application/nothing", "{}"],
};

test.each(Object.entries(patches))("%s is refused", async (_name, [type, body]) => {
  const { code, body: answer } = await send("PATCH", `${configmaps}/there`, body, type);
  expect([answer.kind, answer.status]).toEqual(["Status", "Failure"]);
  expect(code).toBeGreaterThanOrEqual(400);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test.each([
  "labelSelector=%3D%3D%3D",
  "labelSelector=a+in+(",
  "fieldSelector=nothing%3Da",
  "limit=x",
  "continue=%21%21",
  "resourceVersion=x",
  "resourceVersionMatch=Nothing",
  "timeoutSeconds=x",
  "watch=true&resourceVersion=x",
  "watch=true&sendInitialEvents=true",
])("a list with %s is refused", async (query) => {
  const { code, body } = await send("GET", `${configmaps}?${query}`);
  // Of versions that are no numbers kube-apiserver says 500, too.
  expect([body.kind, body.status]).toEqual(["Status", "Failure"]);
  expect(code).toBeGreaterThanOrEqual(400);
});

test("a burst of one client does not hold up another", async () => {
  const many = new https.Agent({ keepAlive: true, maxSockets: 200, ca: api.access.ca });
  let answered = 0;
  const burst = Array.from({ length: 600 }, (_, i) =>
    new Promise<void>((resolve, reject) => {
      const headers = { authorization: "Bearer hostile", "user-agent": "burst", "content-type": JSON_TYPE };
      const request = https.request(
        api.access.url + configmaps,
        { method: "POST", agent: many, headers },
        (response) => {
          response.resume().on("end", () => {
            answered++;
            resolve();
          });
        },
      );
      request.on("error", reject);
      request.end(`{"metadata":{"name":"burst-${i}"}}`);
    }));
  await until("the burst is being answered", () => answered > 0);
  const before = answered;
  expect((await send("GET", `${configmaps}/there`)).code).toBe(200);
  expect(answered - before).toBeLessThan(300);
  await Promise.all(burst);
  expect(answered).toBe(600);
  many.destroy();
});

test("after all that the server answers as before", async () => {
  const { body, code } = await send("GET", `${configmaps}/there`);
  expect([code, body.kind, body.data]).toEqual([200, "ConfigMap", { a: "b" }]);
});

test("a watch that is over while its client reads nothing ends nobody but itself, whatever changes meanwhile", async () => {
  const headers = { authorization: "Bearer hostile" };
  const path = `${configmaps}?watch=1&timeoutSeconds=1`;
  const watching = await new Promise<IncomingMessage>((resolve, reject) => {
    https.get(api.access.url + path, { headers, ca: api.access.ca, agent: false }, resolve).on("error", reject);
  });
  watching.pause();
  const began = performance.now();
  // More than the sockets of both ends hold, and less than what ends a slow watch; then small changes until well after the end.
  for (let i = 0; performance.now() - began < 2000; i++) {
    const text = "x".repeat(i < 20 ? 500_000 : 1);
    const { code } = await send(
      "PUT",
      `${configmaps}/there`,
      JSON.stringify({ metadata: { name: "there" }, data: { text, i: `${i}` } }),
    );
    expect(code).toBe(200);
  }
  watching.resume();
  await until("the watch has ended", () => watching.readableEnded || watching.destroyed);
  expect((await send("GET", `${configmaps}/there`)).code).toBe(200);
});
