// What is wrong with a text that is no JSON, in the words of Go's decoder; and which keys of one stand twice.

class SyntaxFault extends Error {}

function quoted(letter: string): string {
  if (letter === "'") return `'\\''`;
  if (letter === '"') return `'"'`;
  const code = letter.charCodeAt(0);
  // Go escapes what can't be printed.
  if (code >= 0x7f && code < 0xa0) return `'\\u00${code.toString(16)}'`;
  return `'${JSON.stringify(letter).slice(1, -1)}'`;
}

/** Go's message about a text; undefined where nothing is wrong with it. */
export function jsonError(text: string): string | undefined {
  let at = 0;
  const end = () => new SyntaxFault("unexpected end of JSON input");
  const unexpected = (where: string) =>
    at >= text.length ? end() : new SyntaxFault(`invalid character ${quoted(text[at] as string)} ${where}`);
  const space = () => {
    while (at < text.length && " \t\r\n".includes(text[at] as string)) at++;
  };
  const string = () => {
    for (at++; at < text.length; at++) {
      const letter = text[at] as string;
      if (letter === '"') {
        at++;
        return;
      }
      if (letter === "\\") {
        at++;
        if (at >= text.length) throw end();
        if (text[at] === "u") {
          for (let i = 0; i < 4; i++) {
            at++;
            if (!/[0-9a-fA-F]/.test(text[at] ?? "")) throw unexpected("in \\u hexadecimal character escape");
          }
        } else if (!'"\\/bfnrt'.includes(text[at] as string)) throw unexpected("in string escape code");
      } else if (letter < " ") throw unexpected("in string literal");
    }
    throw end();
  };
  const literal = (word: string) => {
    for (let i = 0; i < word.length; i++, at++) {
      if (text[at] !== word[i]) throw unexpected(`in literal ${word} (expecting ${quoted(word[i] as string)})`);
    }
  };
  const digits = (where: string) => {
    if (!/\d/.test(text[at] ?? "")) throw unexpected(where);
    while (/\d/.test(text[at] ?? "")) at++;
  };
  const number = () => {
    if (text[at] === "-") at++;
    if (text[at] === "0") at++;
    else digits("in numeric literal");
    if (text[at] === ".") {
      at++;
      digits("after decimal point in numeric literal");
    }
    if (text[at] === "e" || text[at] === "E") {
      at++;
      if (text[at] === "+" || text[at] === "-") at++;
      digits("in exponent of numeric literal");
    }
  };
  // Without recursion: what is nested deeper than the stack must not end the server.
  const open: ("{" | "[")[] = [];
  const value = (): boolean => {
    space();
    const first = text[at] ?? "";
    if (first === "{" || first === "[") {
      open.push(first);
      at++;
      return true;
    }
    if (first === '"') string();
    else if (first === "t") literal("true");
    else if (first === "f") literal("false");
    else if (first === "n") literal("null");
    else if (/[-\d]/.test(first)) number();
    else throw unexpected("looking for beginning of value");
    return false;
  };
  const key = () => {
    space();
    if (text[at] !== '"') throw unexpected("looking for beginning of object key string");
    string();
    space();
    if (text[at] !== ":") throw unexpected("after object key");
    at++;
  };
  try {
    let hasOpened = value();
    while (open.length > 0) {
      const within = open.at(-1) as "{" | "[";
      space();
      if (hasOpened) {
        hasOpened = false;
        if (text[at] === (within === "{" ? "}" : "]")) {
          at++;
          open.pop();
          continue;
        }
        if (within === "{") key();
        hasOpened = value();
        continue;
      }
      if (text[at] === ",") {
        at++;
        if (within === "{") key();
        hasOpened = value();
      } else if (text[at] === (within === "{" ? "}" : "]")) {
        at++;
        open.pop();
      } else throw unexpected(within === "{" ? "after object key:value pair" : "after array element");
    }
    space();
    if (at < text.length) throw unexpected("after top-level value");
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxFault) return error.message;
    throw error;
  }
}

/** Paths reported at most; a body that repeats more is wrong anyway. */
const MAX_REPEATED = 100;

/** What a pass over the text of valid JSON finds. */
export interface Outline {
  /** How deep it is nested. Beyond `maxDepth` the pass ends. */
  readonly depth: number;
  /** Paths of keys that stand twice in one object, such as `spec.a`. */
  readonly repeated: readonly string[];
}

/** Looks at a text once, without building anything. The text may be no JSON: then the outline says little. */
export function outlineOf(text: string, maxDepth: number): Outline {
  const repeated: string[] = [];
  const scopes: { keys: Set<string> | undefined; index: number; key: string }[] = [];
  let depth = 0;
  let isKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: {
        let to = text.indexOf('"', i + 1);
        while (to !== -1 && isEscaped(text, to)) to = text.indexOf('"', to + 1);
        if (to === -1) return { depth, repeated };
        const scope = scopes.at(-1);
        if (isKey && scope?.keys !== undefined) {
          const key = text.slice(i + 1, to);
          scope.key = key;
          if (scope.keys.has(key) && repeated.length < MAX_REPEATED) repeated.push(pathOf(scopes));
          scope.keys.add(key);
          isKey = false;
        }
        i = to;
        break;
      }
      case 0x7b:
        scopes.push({ keys: new Set(), index: 0, key: "" });
        isKey = true;
        if (scopes.length > depth) depth = scopes.length;
        if (depth > maxDepth) return { depth, repeated };
        break;
      case 0x5b:
        scopes.push({ keys: undefined, index: 0, key: "" });
        isKey = false;
        if (scopes.length > depth) depth = scopes.length;
        if (depth > maxDepth) return { depth, repeated };
        break;
      case 0x7d:
      case 0x5d:
        scopes.pop();
        isKey = false;
        break;
      case 0x2c: {
        const scope = scopes.at(-1);
        if (scope !== undefined) scope.index++;
        isKey = scope?.keys !== undefined;
      }
    }
  }
  return { depth, repeated };
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++;
  return slashes % 2 === 1;
}

function pathOf(scopes: readonly { keys: unknown; index: number; key: string }[]): string {
  let path = "";
  for (const { index, key, keys } of scopes) {
    if (keys === undefined) path += `[${index}]`;
    else path += path === "" ? key : `.${key}`;
  }
  return path;
}
