// What changed between two JSON values: one line a value, by its path.

/** `{ path, before, after }`; `before` or `after` undefined where the value is only in the other. */
export function changes(before, after, path = "") {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const isObject = (value) => typeof value === "object" && value !== null;
  if (!isObject(before) || !isObject(after) || Array.isArray(before) !== Array.isArray(after)) {
    return [{ path: path || "(all)", before, after }];
  }
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => changes(before[key], after[key], path === "" ? key : `${path}.${key}`));
}

/** A message's content, with JSON inside of texts read. */
export function contentOf(text) {
  try {
    const { content } = JSON.parse(text);
    return typeof content === "string" && /^\s*[[{]/.test(content) ? JSON.parse(content) : content;
  } catch {
    return text;
  }
}
