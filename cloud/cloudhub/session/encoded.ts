// The JSON of contents, made once however many nodes get the same object.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { encodeContent, encodeWith } from "../../../protocol/message/codec.ts";
import type { Message } from "../../../protocol/message/message.ts";

const texts = new WeakMap<object, string>();
const textsOfV11 = new WeakMap<object, string>();

/** As encodeContent, remembered for as long as the object lives. Objects must not be changed after being sent. */
export function encodedContent(content: unknown): string {
  return remembered(texts, content, encodeContent);
}

/**
 * A message as KubeEdge v1.1 writes it: without resourceversion, and objects without kind and apiVersion. An edge of v1.1 decodes
 * every message into the same struct, where a missing field keeps its former value: an empty parent_msg_id must be written.
 */
export function encodeV11(message: Message): string {
  const { resourceversion: _version, ...header } = message.header;
  const content = remembered(textsOfV11, message.content, (given) => encodeContent(withoutKinds(given)));
  return encodeWith({ ...message, header }, content, true);
}

function withoutKinds(content: unknown): unknown {
  if (Array.isArray(content)) return content.map(withoutKinds);
  if (typeof content !== "object" || content === null || !("metadata" in content)) return content;
  const { kind: _kind, apiVersion: _apiVersion, ...object } = content as KubeObject;
  return object;
}

function remembered(known: WeakMap<object, string>, content: unknown, encode: (content: unknown) => string): string {
  if (typeof content !== "object" || content === null) return encode(content);
  let text = known.get(content);
  if (text === undefined) {
    text = encode(content);
    known.set(content, text);
  }
  return text;
}
