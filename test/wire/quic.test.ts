// The hub's QUIC listener: frames byte for byte, identity, refusals, and what a peer that breaks the rules costs.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  dialQuic,
  type QuicConnection,
  type QuicCredentials,
  quicProblem,
  type QuicStream,
} from "../../base/transport/quic.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { createAuthority, issueClient } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { headerMessage, messagesOf, viaductSocket } from "../../protocol/viaduct/connection.ts";
import { decodePayload, encodeFrame, FrameReader } from "../../protocol/viaduct/frame.ts";
import { addNode } from "../support/nodes.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

interface Vector {
  readonly name: string;
  readonly transport: string;
  readonly message: Message;
  readonly framehex: string;
}
const all = JSON.parse(readFileSync(new URL("viaduct-frames.json", import.meta.url), "utf8")) as Vector[];
const vectors = all.filter(({ transport }) => transport === "quic");

/** A byte string of the vectors stands there in base64, as JSON writes it. */
function given({ message, name }: Vector): Message {
  if (!name.endsWith("bytes-content")) return message;
  return { ...message, content: Buffer.from(message.content as string, "base64") };
}

function payloadsIn(bytes: Uint8Array, cut = bytes.length): Uint8Array[] {
  const reader = new FrameReader();
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += cut) found.push(...reader.push(bytes.subarray(at, at + cut)));
  return found;
}

describe("viaduct's frames", () => {
  test.each(vectors)("$name is written byte for byte as Go writes it", (vector) => {
    expect(Buffer.from(encodeFrame(given(vector))).toString("hex")).toBe(vector.framehex);
  });

  test.each(vectors)("$name is read, in one piece and byte by byte", (vector) => {
    const bytes = Buffer.from(vector.framehex, "hex");
    for (const cut of [bytes.length, 1, 7]) {
      const [payload] = payloadsIn(bytes, cut);
      const { header, route } = decodePayload(payload as Uint8Array);
      const { resourceversion: _version, type: _type, ...carried } = vector.message.header;
      const { destination: _destination, ...named } = vector.message.route;
      expect(header).toEqual(carried);
      expect(route).toEqual(named);
    }
  });

  test("several frames in one piece come out one by one", () => {
    const bytes = Buffer.concat(vectors.map(({ framehex }) => Buffer.from(framehex, "hex")));
    expect(payloadsIn(bytes)).toHaveLength(vectors.length);
    expect(payloadsIn(bytes, 3)).toHaveLength(vectors.length);
  });

  test("an announced length over KubeEdge's 32 MiB is refused before anything is kept", () => {
    const header = Buffer.from("01010100010002000001", "hex");
    expect(() => payloadsIn(header)).toThrow("payload length 33554433 exceeds maximum 33554432");
  });

  test("a frame without header or router is an empty message", () => {
    expect(decodePayload(new Uint8Array(0))).toEqual({
      header: { msg_id: "", timestamp: 0 },
      route: {},
      content: null,
    });
  });
});

/** Two ends of a connection that is none: streams are queues of bytes. */
function pair(): [QuicConnection, QuicConnection] {
  const end = (): QuicConnection & { incoming(stream: QuicStream): void } => {
    let listener: ((stream: QuicStream) => void) | undefined;
    let close: ((reason: string) => void) | undefined;
    const waiting: QuicStream[] = [];
    return {
      peer: new Uint8Array(0),
      incoming: (stream) => listener === undefined ? waiting.push(stream) : listener(stream),
      nextStream: () => until("a stream comes", () => waiting.shift()),
      open() {
        const [own, theirs] = streams();
        ends[this === ends[0] ? 1 : 0]?.incoming(theirs);
        return own;
      },
      onStream(given) {
        listener = given;
        for (const stream of waiting.splice(0)) given(stream);
      },
      close: (reason) => close?.(reason),
      onClose: (given) => close = given,
    };
  };
  const ends = [end(), end()];
  return ends as unknown as [QuicConnection, QuicConnection];
}

function streams(): [QuicStream, QuicStream] {
  const there = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, { highWaterMark: 1000 });
  const back = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, { highWaterMark: 1000 });
  const side = (
    from: TransformStream<Uint8Array, Uint8Array>,
    to: TransformStream<Uint8Array, Uint8Array>,
  ): QuicStream => {
    const writer = to.writable.getWriter();
    writer.closed.catch(() => {});
    return {
      async *read() {
        const reader = from.readable.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return;
          yield value;
        }
      },
      write: (bytes) => writer.write(bytes),
      cancel: () => void writer.abort(new Error("reset")).catch(() => {}),
    };
  };
  return [side(back, there), side(there, back)];
}

const problem = quicProblem();
if (problem !== undefined) {
  test("a hub that is asked for QUIC where there is none says so, and does not start", async () => {
    await expect(startCloud({ quic: true })).rejects.toThrow(`QUIC is not available here: ${problem}`);
  });
} else {describe("the QUIC listener", () => {
    let cloud: Cloud;
    beforeAll(async () => void (cloud = await startCloud({ quic: true, config: { nodeLimit: 3 } })));
    afterAll(() => cloud.stop());

    async function certificateFor(node: string) {
      const { authority } = cloud.core.hub.certificates;
      const subject = { commonName: nodeCommonName(node), organization: nodeOrganization };
      const pair = await issueClient(authority, subject, Date.now());
      return { ca: authority.certPem, cert: pair.certPem, key: pair.keyPem };
    }

    /** A connection that has sent the bytes on its control stream. */
    async function dial(node: string, first?: Uint8Array) {
      const where = { host: "127.0.0.1", port: cloud.core.hub.ports.quic };
      const connection = await dialQuic(where, await certificateFor(node));
      let ended: string | undefined;
      connection.onClose((reason) => ended = reason);
      const control = connection.open();
      const answers = messagesOf(control);
      await control.write(first ?? encodeFrame(headerMessage(Date.now(), { node, project: "p" })));
      return { connection, control, answers, ended: () => ended };
    }

    function messagesFrom(connection: QuicConnection) {
      const socket = viaductSocket(connection);
      const received: Message[] = [];
      socket.onMessage((text) => received.push(JSON.parse(text) as Message));
      return { socket, received };
    }

    test("the header frame is answered with ack, whatever comes later on that stream too", async () => {
      const { answers, control, connection } = await dial("q-1");
      const { value: first } = await answers.next();
      expect(first).toMatchObject({ route: { operation: "response", resource: "header" }, content: "ack" });
      await control.write(encodeFrame({ header: { msg_id: "later", timestamp: 1 }, route: {}, content: "x" }));
      const { value: second } = await answers.next();
      expect(second).toMatchObject({ header: { parent_msg_id: "later" }, content: "ack" });
      connection.close("");
    });

    test("a message that needs it is acknowledged over QUIC and recorded, though its version is not carried", async () => {
      await addNode(cloud.kube, "q-2");
      const { answers, connection } = await dial("q-2");
      await answers.next();
      const { received, socket } = messagesFrom(connection);
      const pod = {
        metadata: { name: "q", namespace: "default" },
        spec: { nodeName: "q-2", containers: [{ name: "c", image: "i" }] },
      };
      const stored = await cloud.kube.create(resources.pods, { apiVersion: "v1", kind: "Pod", ...pod });
      const insert = await until(
        "the pod comes",
        () => received.find(({ route }) => route.resource === "default/pod/q"),
      );
      expect(insert.header.resourceversion).toBeUndefined();
      expect(insert.content).toEqual(stored);
      socket.send(encodeMessage({
        header: { msg_id: "ack", parent_msg_id: insert.header.msg_id, timestamp: 1 },
        route: { source: "edgecontroller", group: "resource", operation: "response", resource: "default/pod/q" },
        content: "OK",
      }));
      const record = { resource: resources.objectsyncs, namespace: "default", name: `q-2.${stored.metadata.uid}` };
      await until("the record has the version", async () => {
        const found = await cloud.kube.find(record);
        const status = found?.status as { objectResourceVersion?: string } | undefined;
        return status?.objectResourceVersion === stored.metadata.resourceVersion;
      });
      connection.close("");
    });

    test("the same node takes its place over from a WebSocket, and the other way round", async () => {
      const fleet = await cloud.fleet(1, "both");
      const session = () => cloud.core.hub.sessions.of("both-0");
      const before = session();
      const { answers, ended } = await dial("both-0");
      await answers.next();
      await until("the session is another one", () => session() !== undefined && session() !== before);
      await until("the WebSocket has gone", () => fleet.get("both-0")?.hub.isConnected === false);
      fleet.get("both-0")?.hub.hurry();
      await until("the edge is back, and QUIC's connection has gone", () => ended() !== undefined);
      await fleet.stop();
    });

    test("a certificate of another node is refused with the reason", async () => {
      const { ended } = await dial("q-3", encodeFrame(headerMessage(1, { node: "q-4", project: "p" })));
      expect(await until("it is closed", ended)).toContain(
        "the certificate is for system:node:q-3, not for system:node:q-4",
      );
    });

    const subject = { commonName: nodeCommonName("q-5"), organization: nodeOrganization };
    const year = 365 * 86_400_000;
    test.each([
      [
        "a certificate of another CA",
        async () => await issueClient(await createAuthority("KubeEdge", Date.now()), subject, Date.now()),
      ],
      [
        "an expired certificate",
        () => issueClient(cloud.core.hub.certificates.authority, subject, Date.now() - 2 * year, 365),
      ],
      ["no certificate", () => Promise.resolve(undefined)],
    ])("%s gets no connection", async (_what, issue) => {
      const pair = await issue();
      const { authority } = cloud.core.hub.certificates;
      const where = { host: "127.0.0.1", port: cloud.core.hub.ports.quic };
      const own = pair === undefined ? {} : { cert: pair.certPem, key: pair.keyPem };
      // With TLS 1.3 a client may believe for a moment that it is in.
      const outcome = await dialQuic(where, { ca: authority.certPem, ...own } as QuicCredentials).then(
        (connection) => new Promise<string>((resolve) => connection.onClose(resolve)),
        (error: Error) => `refused: ${error.message}`,
      );
      expect(outcome).toMatch(/TLS|304|ended/);
      expect(cloud.core.hub.sessions.of("q-5")).toBeUndefined();
    });

    test("a certificate without an organization is refused with the reason", async () => {
      const { authority } = cloud.core.hub.certificates;
      const pair = await issueClient(authority, { ...subject, organization: "" }, Date.now());
      const where = { host: "127.0.0.1", port: cloud.core.hub.ports.quic };
      const connection = await dialQuic(where, { ca: authority.certPem, cert: pair.certPem, key: pair.keyPem });
      const ended = new Promise<string>((resolve) => connection.onClose(resolve));
      await connection.open().write(encodeFrame(headerMessage(1, { node: "q-5", project: "p" })));
      expect(await ended).toMatch(/the certificate is/);
      expect(cloud.core.hub.sessions.of("q-5")).toBeUndefined();
    });

    test("a hub with another CA's certificate is not trusted", async () => {
      const stranger = await createAuthority("KubeEdge", Date.now());
      const own = await certificateFor("q-6");
      const where = { host: "127.0.0.1", port: cloud.core.hub.ports.quic };
      await expect(dialQuic(where, { ...own, ca: stranger.certPem })).rejects.toThrow();
    });

    test("rubbish costs only the connection it came on", async () => {
      const good = await dial("q-7");
      await good.answers.next();
      const { socket } = messagesFrom(good.connection);
      const header = encodeFrame(headerMessage(1, { node: "q-8", project: "p" }));
      const bad: [string, Uint8Array][] = [
        [
          "a header frame that is no JSON",
          encodeFrame({ ...headerMessage(1, { node: "q-8", project: "" }), content: "no" }),
        ],
        ["a length over the limit", Buffer.from("0101010001007fffffff", "hex")],
        ["no protobuf", Buffer.concat([Buffer.from("01010100010000000003", "hex"), Buffer.from([0xff, 0xff, 0xff])])],
      ];
      for (const [what, bytes] of bad) {
        const { ended } = await dial("q-8", bytes);
        await until(`${what} ends the connection`, ended);
      }
      const late = await dial("q-8", header);
      await late.answers.next();
      const stream = late.connection.open();
      await stream.write(Buffer.concat([Buffer.from("msg"), Buffer.from("01010100010000000003ffffff", "hex")]));
      await until("rubbish on a message stream ends the connection", late.ended);
      expect(socket.isOpen).toBe(true);
      expect(cloud.core.hub.sessions.of("q-7")).toBeDefined();
      good.connection.close("");
    });

    /** A node that is known to the API, connected by QUIC, with what it receives. */
    async function known(node: string) {
      await addNode(cloud.kube, node);
      const { answers, connection, ended } = await dial(node);
      await answers.next();
      return { connection, ended };
    }

    test("an object of any depth goes down; one that can't ends that connection, not cloudcore", async () => {
      const { connection, ended } = await known("q-deep");
      const { received } = messagesFrom(connection);
      let configData: unknown = { end: true };
      for (let i = 0; i < 100; i++) configData = { deeper: configData };
      await cloud.kube.create(resources.devices, {
        apiVersion: resources.devices.apiVersion,
        kind: "Device",
        metadata: { name: "deep", namespace: "default" },
        spec: { nodeName: "q-deep", protocol: { protocolName: "p", configData } },
      });
      await until("the device comes", () => received.find(({ route }) => route.resource === "default/device/deep"));
      expect(ended()).toBeUndefined();
      connection.close("");
    });

    test("a session that ends takes its connection along, whatever the peer has not read", async () => {
      const { connection, ended } = await known("q-deaf");
      connection.onStream(() => {});
      const session = cloud.core.hub.sessions.of("q-deaf");
      for (let i = 0; i < 30; i++) {
        session?.sendUnacknowledged({
          header: { msg_id: `m${i}`, timestamp: 1 },
          route: { resource: "default/podlist/x" },
          content: "x".repeat(500_000),
        });
      }
      await until("the session has ended", () => cloud.core.hub.sessions.of("q-deaf") === undefined);
      await until("and the connection", ended);
    });

    test("what came while the hub paused comes afterwards, from every stream, and no more than may wait is read", async () => {
      const [near, far] = pair();
      const socket = viaductSocket(near);
      const got: string[] = [];
      socket.onMessage((text) => {
        got.push(decodeMessage(text).header.msg_id);
        // As the hub does: once for each message, as long as it has too much.
        socket.pause();
      });
      const frame = (id: string) => encodeFrame({ header: { msg_id: id, timestamp: 1 }, route: {}, content: null });
      const theirs = far.open();
      await theirs.write(Buffer.concat([Buffer.from("msg"), frame("a1"), frame("a2"), frame("a3")]));
      socket.send(encodeMessage({ header: { msg_id: "s", timestamp: 1 }, route: {}, content: null }));
      const ours = await far.nextStream();
      for (const id of ["b1", "b2", "b3"]) await ours.write(frame(id));
      for (let wanted = 1; wanted <= 6; wanted++) {
        await until(`${wanted} have come`, () => got.length >= wanted);
        expect(got.length).toBeLessThanOrEqual(wanted + 1);
        socket.resume();
      }
      expect([...got].sort()).toEqual(["a1", "a2", "a3", "b1", "b2", "b3"]);
    });

    test("whole messages that wait for the end of a pause count too", async () => {
      const [near, far] = pair();
      const socket = viaductSocket(near);
      let why: string | undefined;
      socket.onClose((reason) => why = reason);
      socket.onMessage(() => {});
      socket.pause();
      const frame = encodeFrame({ header: { msg_id: "m", timestamp: 1 }, route: {}, content: "x".repeat(1024 * 1024) });
      for (let i = 0; i < 40 && why === undefined; i++) {
        const stream = far.open();
        await stream.write(Buffer.concat([Buffer.from("msg"), frame]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await until("it is ended", () => why)).toContain("that are not whole, or wait");
    });

    test("many streams with halves of large messages have one budget together; a stream that is reset has only ended", async () => {
      const [near, far] = pair();
      const socket = viaductSocket(near);
      let why: string | undefined;
      socket.onClose((reason) => why = reason);
      const reset = far.open();
      await reset.write(Buffer.from("msg"));
      reset.cancel();
      const header = Buffer.from("01010100010001ffffff", "hex");
      for (let i = 0; i < 40 && why === undefined; i++) {
        const stream = far.open();
        await stream.write(Buffer.concat([Buffer.from("msg"), header, new Uint8Array(1024 * 1024)]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await until("it is ended", () => why)).toContain("bytes of messages that are not whole");
    });

    test("over the node limit the connection is closed with the reason", async () => {
      const edges = await Promise.all([dial("l-1"), dial("l-2"), dial("l-3")]);
      for (const { answers } of edges) await answers.next();
      const { ended } = await dial("l-4");
      expect(await until("it is closed", ended)).toContain("the limit of 3 connected nodes is reached");
      for (const { connection } of edges) connection.close("");
    });
  });}
