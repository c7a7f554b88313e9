// One HTTP exchange over pooled connections, without the stream that undici makes of every answer.
import { type Dispatcher, getGlobalDispatcher } from "undici";

/** What is sent. `path` begins with a slash. */
export interface Sent {
  readonly origin: string;
  readonly path: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers: Record<string, string>;
  readonly body?: string;
  /** Milliseconds for the answer's headers, and between two parts of its body. */
  readonly timeout: number;
}

/** The answer; `text` is empty where it was not wanted. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * Resolves with the answer; without a dispatcher over undici's own. Where it is `isUnread` the body of a success is thrown away
 * as it comes. Rejects where there is no answer, or not all of it.
 */
export function exchange(dispatcher: Dispatcher | undefined, sent: Sent, isUnread: boolean): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let status = 0;
    const chunks: Uint8Array[] = [];
    const { body, headers, method, origin, path, timeout } = sent;
    (dispatcher ?? getGlobalDispatcher()).dispatch({
      origin,
      path,
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      headersTimeout: timeout,
      bodyTimeout: timeout,
    }, {
      onRequestStart() {},
      onResponseStart(_controller, code) {
        status = code;
      },
      onResponseData(_controller, chunk) {
        if (!isUnread || status >= 400) chunks.push(chunk);
      },
      onResponseEnd() {
        resolve({ status, text: textOf(chunks) });
      },
      onResponseError(_controller, error) {
        reject(error);
      },
    });
  });
}

function textOf(chunks: readonly Uint8Array[]): string {
  const [first] = chunks;
  if (first === undefined) return "";
  const bytes = chunks.length === 1 ? first : Buffer.concat(chunks);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
