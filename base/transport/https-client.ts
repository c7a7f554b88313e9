// One HTTPS request with a bounded answer; unlike fetch it can send a GET with a body, which enrolment needs.
import https from "node:https";

/** A request. `ca` absent means the server is not verified: only for fetching the CA itself, whose hash is then checked. */
export interface HttpsRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Milliseconds for the whole exchange. */
  readonly timeout: number;
  /** Bytes of the answer's body that are accepted. */
  readonly maxBody: number;
  readonly signal?: AbortSignal;
}

/** Status and body; a body above `maxBody` rejects instead. */
export interface HttpsResponse {
  readonly status: number;
  readonly body: Uint8Array;
}

/** Rejects when the server can't be reached, isn't trusted, is too slow, or answers too much. */
export function requestHttps(options: HttpsRequest): Promise<HttpsResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpsResponse>();
  const request = https.request(options.url, {
    method: options.method,
    agent: false,
    headers: {
      ...options.headers,
      ...(options.body === undefined ? {} : { "content-length": String(options.body.length) }),
    },
    ...(options.ca === undefined ? { rejectUnauthorized: false } : { ca: options.ca }),
    ...(options.cert === undefined ? {} : { cert: options.cert, key: options.key }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  request.setTimeout(options.timeout, () => request.destroy(new Error(`no answer within ${options.timeout} ms`)));
  request.on("error", reject);
  request.on("response", (response) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    response.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > options.maxBody) request.destroy(new Error(`the answer is longer than ${options.maxBody} bytes`));
      else chunks.push(chunk);
    });
    response.on("error", reject);
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
  });
  request.end(options.body);
  return promise;
}
