// Reads captures of traffic between the real programs (test/wire/captured-*.jsonl) as hops of a proxy between them.
import type { HopRecord } from "../../base/hop/hop.ts";
import { reasonOf } from "../../base/log/logger.ts";
import { decodeMessage } from "../../protocol/message/codec.ts";
import { type HopName, hopOf } from "../../protocol/message/hops.ts";

/** A line of a capture; only what is read here. */
interface CapturedLine {
  readonly t_ms: number;
  readonly dir?: "edge>cloud" | "cloud>edge";
  readonly kind: string;
  readonly transport?: string;
  readonly conn?: number;
  readonly by?: string;
  readonly http?: { readonly first: string };
  readonly payload_b64?: string;
  /** The payload decoded; some captures have only this. */
  readonly message?: unknown;
}

const none = { header: { msg_id: "" }, route: {} };

export function isCapturedLine(value: unknown): boolean {
  return typeof value === "object" && value !== null && "t_ms" in value && "kind" in value;
}

/** Takes lines in their order; connections name their node once, in the head of their handshake. */
export class CapturedReader {
  readonly #nodes = new Map<number, string>();

  /** The hops of a line: none where it is about something else than the hub's messages and connections. */
  take(value: unknown): HopRecord[] {
    if (!isCapturedLine(value)) throw new Error("this is no line of a capture");
    const line = value as CapturedLine;
    if (line.transport !== "ws" || line.conn === undefined) return [];
    const time = Math.round(line.t_ms);
    if (line.kind === "upgrade" && line.dir === "edge>cloud") {
      this.#nodes.set(line.conn, line.http?.first.split(" ")[1]?.split("/")[2] ?? "");
      return [this.#connection("proxy.connect", line.conn, time, "")];
    }
    if (line.kind === "tcp-close" && this.#nodes.has(line.conn)) {
      return [this.#connection("proxy.disconnect", line.conn, time, `closed by ${line.by ?? "either end"}`)];
    }
    const isMessage = line.kind === "text" || line.kind === "binary";
    const text = isMessage ? textOf(line) : undefined;
    return text === undefined ? [] : [this.#message(line, text, time)];
  }

  #message({ conn = 0, dir }: CapturedLine, text: string, time: number): HopRecord {
    const direction = dir === "cloud>edge" ? "down" : "up";
    const at = {
      time,
      hop: `proxy.${direction}`,
      direction,
      node: this.#nodes.get(conn) ?? "",
      size: text.length,
    } as const;
    try {
      return hopOf(decodeMessage(text), { ...at, text });
    } catch (error) {
      return hopOf(none, { ...at, outcome: `this is no message: ${reasonOf(error)}` });
    }
  }

  #connection(hop: HopName, conn: number, time: number, outcome: string): HopRecord {
    return hopOf(none, { time, hop, direction: "up", node: this.#nodes.get(conn) ?? "", outcome });
  }
}

function textOf({ message, payload_b64 }: CapturedLine): string | undefined {
  if (payload_b64 !== undefined) return Buffer.from(payload_b64, "base64").toString("utf8");
  return message === undefined ? undefined : JSON.stringify(message);
}
