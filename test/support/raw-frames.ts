// A WebSocket by hand over TLS: every frame as it is told, also those that no library would send.
import { connect, type TLSSocket } from "node:tls";
import type { Message } from "../../protocol/message/message.ts";
import { decodeMessage } from "../../protocol/message/codec.ts";
import { issueClient } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import type { Cloud } from "./start.ts";
import { until } from "./until.ts";

/** A frame to send. It is masked with zeros unless told otherwise. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Uint8Array;
  readonly fin?: boolean;
  readonly masked?: boolean;
  readonly rsv1?: boolean;
}

export interface RawSocket {
  /** Messages of the server that could be decoded. */
  readonly received: Message[];
  /** Opcodes of the server's frames, in order. */
  readonly opcodes: number[];
  hasEnded(): boolean;
  send(frame: Frame): void;
  close(): void;
}

/** What a client needs to connect. */
export interface RawOptions {
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly node: string;
}

/** Connects with a certificate of that node. Rejects where the upgrade is not answered with 101. */
export async function rawSocketAs(cloud: Cloud, node: string): Promise<RawSocket> {
  const { authority } = cloud.core.hub.certificates;
  const subject = { commonName: nodeCommonName(node), organization: nodeOrganization };
  const { certPem, keyPem } = await issueClient(authority, subject, Date.now());
  const port = cloud.core.hub.ports.websocket;
  return await rawSocket({ port, node, ca: authority.certPem, cert: certPem, key: keyPem });
}

/** Connects and does the upgrade. Rejects where it is not answered with 101. */
export async function rawSocket({ node, port, ...tls }: RawOptions): Promise<RawSocket> {
  const socket: TLSSocket = connect({ host: "127.0.0.1", port, ...tls });
  let bytes = Buffer.alloc(0);
  let ended = false;
  const received: Message[] = [];
  const opcodes: number[] = [];
  let isOpen = false;
  socket.on("data", (chunk: Uint8Array) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (isOpen) read();
  });
  socket.on("error", () => {});
  socket.on("close", () => ended = true);
  socket.on("end", () => ended = true);
  socket.write(
    `GET /p/${node}/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      `node_id: ${node}\r\nproject_id: p\r\nConnectionUse: msg\r\n\r\n`,
  );
  await until("the upgrade is answered", () => bytes.includes("\r\n\r\n"));
  const head = bytes.subarray(0, bytes.indexOf("\r\n\r\n")).toString();
  if (!head.startsWith("HTTP/1.1 101")) throw new Error(head);
  bytes = bytes.subarray(head.length + 4);
  isOpen = true;
  let text = "";
  const read = () => {
    for (let frame = frameIn(bytes); frame !== undefined; frame = frameIn(bytes)) {
      bytes = bytes.subarray(frame.size);
      opcodes.push(frame.opcode);
      if (frame.opcode > 2) continue;
      text += frame.payload.toString("utf8");
      if (!frame.fin) continue;
      received.push(decodeMessage(text));
      text = "";
    }
  };
  return {
    received,
    opcodes,
    hasEnded: () => ended,
    send: (frame) => void socket.write(bytesOf(frame)),
    close: () => socket.destroy(),
  };
}

function frameIn(bytes: Buffer) {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] as number) & 127;
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < head) return undefined;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < head + length) return undefined;
  const first = bytes[0] as number;
  return {
    opcode: first & 15,
    fin: (first & 128) !== 0,
    payload: bytes.subarray(head, head + length),
    size: head + length,
  };
}

function bytesOf({ fin = true, masked = true, opcode, payload, rsv1 = false }: Frame): Buffer {
  const mask = masked ? 128 : 0;
  const { length } = payload;
  const size = length < 126
    ? [mask | length]
    : length < 65_536
    ? [mask | 126, length >> 8, length & 255]
    : [mask | 127, 0, 0, 0, 0, (length >>> 24) & 255, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  const first = (fin ? 128 : 0) | (rsv1 ? 64 : 0) | opcode;
  return Buffer.concat([Buffer.from([first, ...size]), masked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
}
