// Reads the body of an HTTP request or response within a limit.
import type { IncomingMessage } from "node:http";

const CUT_OFF = "the connection ended before the body did";

/**
 * The whole body; undefined as soon as it is known to be longer than `limit` bytes: what then follows is not read. Throws
 * where the sender ends before its body does.
 */
export function readBody(message: IncomingMessage, limit: number): Promise<Uint8Array | undefined> {
  if (Number(message.headers["content-length"] ?? 0) > limit) return Promise.resolve(undefined);
  if (message.readableEnded) return Promise.resolve(new Uint8Array());
  if (message.destroyed) return Promise.reject(new Error(CUT_OFF));
  // Listeners, since an iterator takes several turns of the event loop for each request.
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    let isWhole = false;
    message.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > limit) {
        message.pause();
        resolve(undefined);
      } else chunks.push(chunk);
    });
    message.on("end", () => {
      isWhole = true;
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    });
    message.on("error", ({ message: why }) => reject(new Error(`${CUT_OFF}: ${why}`)));
    message.on("close", () => {
      if (!isWhole) reject(new Error(CUT_OFF));
    });
  });
}
