// Writes answers: encoding, compression, headers.
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { stringify } from "yaml";
import { headerText } from "../../../base/transport/header-text.ts";
import type { KubeStatus } from "../../../protocol/apis/kube-object.ts";
import { encodeEnvelope } from "../types/protobuf-write.ts";
import { contentTypes, type Form, type Media } from "./negotiate.ts";
import type { Content } from "./table.ts";

/** An answer that is not a stream. */
export interface Answer {
  readonly status: number;
  readonly content: Content;
  /** Default: JSON. */
  readonly form?: Pick<Form, "media" | "isPretty">;
  /** Default: by the form. */
  readonly contentType?: string;
  /** Texts of Warning headers. */
  readonly warnings?: readonly string[];
}

/** A JSON value as the answer. */
export function json(status: number, value: unknown, extra: Omit<Answer, "status" | "content"> = {}): Answer {
  return { status, content: { value }, ...extra };
}

/** A text as it stands. */
export function plainText(status: number, text: string): Answer {
  return { status, content: { text }, contentType: "text/plain; charset=utf-8" };
}

/** Bytes from which an answer is compressed for clients that allow it. */
const COMPRESSED_FROM = 128 * 1024;
/** Letters of a text that goes out in one write with the headers, as a text. */
const ONE_WRITE = 16 * 1024;
/** The weakest compression: large lists are asked for on fast networks. */
const LEVEL = 1;

const compress = promisify(gzip) as (data: string | Uint8Array, options: { level: number }) => Promise<Buffer>;

/** Ends the response with an answer. */
export async function send(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  const { content, contentType, form = { media: "json" }, status, warnings = [] } = answer;
  let body = bodyOf(content, form, contentType !== undefined);
  let length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const headers = warningHeaders(warnings);
  if (headers.length > 0) {
    response.setHeader("warning", headers);
    // In one write with a text, Node would encode the bytes of these headers once more.
    if (typeof body === "string") body = Buffer.from(body);
  }
  const type = contentType ?? contentTypes["bytes" in content ? "protobuf" : form.media];
  if (type !== "") response.setHeader("content-type", type);
  if (!response.hasHeader("cache-control")) response.setHeader("cache-control", "no-cache, private");
  if (length >= COMPRESSED_FROM && /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""))) {
    const compressed = await compress(body, { level: LEVEL });
    body = compressed;
    length = compressed.length;
    response.setHeader("content-encoding", "gzip");
    response.setHeader("vary", "Accept-Encoding");
  }
  response.setHeader("content-length", length);
  response.writeHead(status);
  response.end(request.method === "HEAD" ? undefined : body);
}

function bodyOf(
  content: Content,
  { isPretty, media }: Pick<Form, "media" | "isPretty">,
  isRaw: boolean,
): string | Uint8Array {
  if ("bytes" in content) return content.bytes;
  if (isRaw && "text" in content) return content.text;
  if (media === "json" && isPretty !== true) {
    const text = "text" in content ? content.text : JSON.stringify(content.value);
    return text.length > ONE_WRITE ? lineOf(text) : `${text}\n`;
  }
  const value: unknown = "text" in content ? JSON.parse(content.text) : content.value;
  return media === "yaml" ? stringify(plainJson(value), { version: "1.1" }) : `${JSON.stringify(value, null, 2)}\n`;
}

/** A long text with an end of line, encoded without another copy of it. */
function lineOf(text: string): Uint8Array {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(length + 1);
  bytes.write(text);
  bytes[length] = 0x0a;
  return bytes;
}

/** Without values that only JSON.stringify understands. */
function plainJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

const STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/** The answer that tells an error. */
export function failure(status: KubeStatus, media: Media): Answer {
  if (media === "protobuf") {
    return { status: status.code, content: { bytes: encodeEnvelope(STATUS, "v1", "Status", status) } };
  }
  return { status: status.code, content: { value: status }, form: { media } };
}

/** Letters of all warnings of an answer, and of each where there are more: kube-apiserver's bounds (`pkg/endpoints/filters/warning.go`). */
const WARNINGS_LENGTH = 4096;
const WARNING_LENGTH = 256;

/** Warning headers (RFC 7234 §5.5). Long ones are cut where all are too long; what is beyond the bound even then is left out. */
export function warningHeaders(texts: readonly string[]): string[] {
  const all = texts.reduce((sum, text) => sum + text.length, 0);
  const cut = all > WARNINGS_LENGTH ? texts.map((text) => text.slice(0, WARNING_LENGTH)) : texts;
  const headers: string[] = [];
  let length = 0;
  for (const text of cut) {
    length += text.length;
    if (length > WARNINGS_LENGTH) break;
    headers.push(headerText(`299 - ${JSON.stringify(text).replaceAll("\x7f", "\\u007f")}`));
  }
  return headers;
}
