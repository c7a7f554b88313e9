// A message as JSON text, byte for byte as Go writes it, and back, however a Go decoder would take it.
import { SkepError } from "../../base/error/skep-error.ts";
import { parseJson } from "../json.ts";
import { limits } from "../limits.ts";
import { type Header, JsonText, type Message, type Route } from "./message.ts";

/** A text that is no message. The peer's fault: it ends that connection and nothing else. */
export class MessageFormatError extends SkepError {
  readonly code = "SKEP_MESSAGE_FORMAT";
}

/**
 * The wire form: keys in Go's order, empty optional keys left out (`route` is always there), `<`, `>`, `&` and the two
 * line separators escaped inside strings, and a newline at the end.
 */
export function encodeMessage(message: Message): string {
  return encodeWith(message, encodeContent(message.content));
}

/** The content alone, so that one object sent to many nodes is stringified once. */
export function encodeContent(content: unknown): string {
  if (content instanceof JsonText) return escapeHtml(content.json);
  return escapeHtml(
    JSON.stringify(content instanceof Uint8Array ? Buffer.from(content).toString("base64") : content ?? null),
  );
}

/**
 * The wire form around a content that has already been encoded by `encodeContent`. With `writesParent` the parent's key is there
 * even where there is none, for peers that would take the last message's.
 */
export function encodeWith(message: Message, content: string, writesParent = false): string {
  const { header: h, route: r } = message;
  const header: Record<string, unknown> = { msg_id: h.msg_id };
  if (writesParent) header.parent_msg_id = h.parent_msg_id ?? "";
  if (h.parent_msg_id) header.parent_msg_id = h.parent_msg_id;
  header.timestamp = h.timestamp;
  if (h.resourceversion) header.resourceversion = h.resourceversion;
  if (h.sync) header.sync = true;
  if (h.type) header.type = h.type;
  const route: Record<string, string> = {};
  if (r.source) route.source = r.source;
  if (r.destination) route.destination = r.destination;
  if (r.group) route.group = r.group;
  if (r.operation) route.operation = r.operation;
  if (r.resource) route.resource = r.resource;
  const head = escapeHtml(`{"header":${JSON.stringify(header)},"route":${JSON.stringify(route)}`);
  return `${head},"content":${content}}\n`;
}

const escaped = /[<>&\u2028\u2029]/g;

/** These five can only stand inside JSON strings, so replacing them anywhere is safe. */
function escapeHtml(json: string): string {
  return json.replace(escaped, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * Decodes the first JSON value of a text, as Go's decoder does: key letter case doesn't matter, unknown keys and what
 * follows the value are ignored. `null` gives an empty message. Throws MessageFormatError for anything that is not an
 * object, a wrong type or an over-long text in header or route, or JSON deeper than the limit.
 */
export function decodeMessage(text: string): Message {
  const value = parseFirst(text);
  if (value === null) return { header: { msg_id: "", timestamp: 0 }, route: {}, content: null };
  const message = record(value, "the message");
  return {
    header: decodeHeader(message),
    route: decodeRoute(message),
    content: field(message, "content") ?? null,
  };
}

function decodeHeader(message: Record<string, unknown>): Header {
  const given = field(message, "header");
  const h = given === undefined || given === null ? {} : record(given, "header");
  const written = field(h, "timestamp") ?? 0;
  const timestamp = typeof written === "bigint" ? Number(written) : written;
  if (typeof timestamp !== "number" || !Number.isInteger(timestamp)) {
    throw wrong("header.timestamp", "an integer", timestamp);
  }
  const sync = field(h, "sync") ?? false;
  if (typeof sync !== "boolean") throw wrong("header.sync", "true or false", sync);
  const parent = text(h, "parent_msg_id");
  const version = text(h, "resourceversion");
  const type = text(h, "type");
  return {
    msg_id: text(h, "msg_id"),
    ...(parent === "" ? {} : { parent_msg_id: parent }),
    timestamp,
    ...(version === "" ? {} : { resourceversion: version }),
    ...(sync ? { sync } : {}),
    ...(type === "" ? {} : { type }),
  };
}

function decodeRoute(message: Record<string, unknown>): Route {
  const given = field(message, "route");
  if (given === undefined || given === null) return {};
  const r = record(given, "route");
  const route: Record<string, string> = {};
  for (const key of ["source", "destination", "group", "operation", "resource"]) {
    const value = text(r, key);
    if (value !== "") route[key] = value;
  }
  return route;
}

function text(object: Record<string, unknown>, key: string): string {
  const value = field(object, key) ?? "";
  if (typeof value !== "string") throw wrong(key, "a string", value);
  if (value.length > limits.messageField) {
    throw new MessageFormatError(`${key} has ${value.length} characters; at most ${limits.messageField} are taken`);
  }
  return value;
}

/** The value under `key` in whatever letter case, the exact spelling first. */
function field(object: Record<string, unknown>, key: string): unknown {
  if (Object.hasOwn(object, key)) return object[key];
  for (const candidate of Object.keys(object)) if (candidate.toLowerCase() === key) return object[candidate];
  return undefined;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(what, "an object", value);
  return value as Record<string, unknown>;
}

function wrong(what: string, wanted: string, found: unknown): MessageFormatError {
  const kind = found === null ? "null" : Array.isArray(found) ? "an array" : `a ${typeof found}`;
  return new MessageFormatError(`${what} must be ${wanted}, not ${kind}`);
}

/** JSON.parse of the first value in the text; what comes after it doesn't matter. */
function parseFirst(text: string): unknown {
  const end = endOfFirstValue(text);
  try {
    return parseJson(end === text.length ? text : text.slice(0, end));
  } catch (error) {
    throw new MessageFormatError(`not JSON: ${(error as Error).message}`);
  }
}

/** By depth: keys of the object that is being read; one for all messages, since none is read beside another. */
const keys = new Uint32Array(limits.jsonDepth + 1);

/**
 * Where the first object or array ends; the whole length where it doesn't, or where the value is neither (JSON.parse then
 * says what is wrong). Checks the depth and the keys on the way, in one pass without recursion.
 */
function endOfFirstValue(text: string): number {
  let depth = 0;
  let inString = false;
  let began = 0;
  let length = 0;
  keys[0] = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) {
        inString = false;
        length = i - began - 1;
      }
    } else if (c === 0x22) {
      inString = true;
      began = i;
      if (depth === 0) return text.length;
    } else if (c === 0x7b || c === 0x5b) {
      if (++depth > limits.jsonDepth) throw new MessageFormatError(`nested deeper than ${limits.jsonDepth} levels`);
      keys[depth] = 0;
    } else if (c === 0x3a) {
      if (length > limits.objectKey) throw new MessageFormatError(`a key of more than ${limits.objectKey} characters`);
      const count = (keys[depth] as number) + 1;
      keys[depth] = count;
      if (count > limits.objectKeys) {
        throw new MessageFormatError(`an object of more than ${limits.objectKeys} keys`);
      }
    } else if (c === 0x7d || c === 0x5d) {
      if (--depth <= 0) return i + 1;
    } else if (depth === 0 && c === 0x6e && text.startsWith("null", i)) return i + 4;
  }
  return text.length;
}
