// Text in XML 1.0.

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** XML text and attribute values; characters that XML 1.0 can't hold are left out. */
export function xmlText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "").replace(
    /[&<>"']/g,
    (c) => entities[c] as string,
  );
}
