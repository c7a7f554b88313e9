// The JSON of contents, made once however many nodes get the same object.
import { encodeContent } from "../../../protocol/message/codec.ts";

const texts = new WeakMap<object, string>();

/** As encodeContent, remembered for as long as the object lives. Objects must not be changed after being sent. */
export function encodedContent(content: unknown): string {
  if (typeof content !== "object" || content === null) return encodeContent(content);
  let text = texts.get(content);
  if (text === undefined) {
    text = encodeContent(content);
    texts.set(content, text);
  }
  return text;
}
