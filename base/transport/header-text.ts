// Text outside ASCII in HTTP headers. Node writes each letter of a header as one byte; Deno writes UTF-8 by itself.
const isDeno = "Deno" in globalThis;

/** A text as `setHeader` needs it so that UTF-8 is sent. On Deno letters beyond U+00FF, which it refuses, become `\uXXXX`. */
export function headerText(text: string): string {
  if (!isDeno) return Buffer.from(text.toWellFormed(), "utf8").toString("latin1");
  return text.replace(/[^\0-\xff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
