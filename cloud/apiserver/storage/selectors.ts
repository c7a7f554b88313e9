// Label and field selectors of a query.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { badRequest } from "../status.ts";

export type Predicate = (object: KubeObject) => boolean;

/** A word of the label syntax. `end` closes the text. */
interface Token {
  readonly kind: "identifier" | "in" | "notin" | "end" | "=" | "==" | "!=" | ">" | "<" | "(" | ")" | "," | "!";
  readonly text: string;
}

type LabelTest = (labels: Record<string, string>) => boolean;

function tokensOf(text: string): Token[] {
  return [...text.matchAll(/==|!=|[=<>(),!]|[^\s=<>(),!]+/g)].map(([found]) => {
    const isWord = !/^[=<>(),!]/.test(found);
    const kind = isWord ? (found === "in" || found === "notin" ? found : "identifier") : found as Token["kind"];
    return { kind, text: found };
  });
}

const end: Token = { kind: "end", text: "" };
const qualifiedKey = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const keyRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/** `in` and `notin` are words too, where one is expected. */
function isWord({ kind }: Token): boolean {
  return kind === "identifier" || kind === "in" || kind === "notin";
}

/** Reads a label selector word by word; its complaints are those of k8s.io/apimachinery's parser. */
class LabelParser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  parse(): LabelTest[] {
    const tests: LabelTest[] = [];
    while (this.#peek().kind !== "end") {
      const first = this.#peek();
      if (!isWord(first) && first.kind !== "!") {
        throw badRequest(`found '${first.text}', expected: !, identifier, or 'end of string'`);
      }
      tests.push(this.#requirement());
      const after = this.#next();
      if (after.kind === "end") break;
      if (after.kind !== ",") throw badRequest(`found '${after.text}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (!isWord(following) && following.kind !== "!") {
        throw badRequest(`found '${following.text}', expected: identifier after ','`);
      }
    }
    return tests;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? end;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #requirement(): LabelTest {
    const isAbsent = this.#peek().kind === "!";
    if (isAbsent) this.#next();
    const key = this.#next();
    if (!isWord(key)) throw wrongRequirement(`found '${key.text}', expected: identifier`);
    if (!qualifiedKey.test(key.text)) {
      throw wrongRequirement(`<nil>: Invalid value: ${JSON.stringify(key.text)}: ${keyRule}`);
    }
    const name = key.text;
    if (isAbsent) return (labels) => !Object.hasOwn(labels, name);
    if (["end", ","].includes(this.#peek().kind)) return (labels) => Object.hasOwn(labels, name);
    const operator = this.#next();
    switch (operator.kind) {
      case "in": {
        const values = this.#values();
        return (labels) => Object.hasOwn(labels, name) && values.has(labels[name] as string);
      }
      case "notin": {
        const values = this.#values();
        return (labels) => !Object.hasOwn(labels, name) || !values.has(labels[name] as string);
      }
      case "=":
      case "==":
      case "!=":
      case ">":
      case "<":
        return compare(name, operator.kind, this.#exactValue());
      default:
        throw wrongRequirement(`found '${operator.text}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  #exactValue(): string {
    if (["end", ","].includes(this.#peek().kind)) return "";
    const value = this.#next();
    if (!isWord(value)) throw wrongRequirement(`found '${value.text}', expected: identifier`);
    return value.text;
  }

  #values(): Set<string> {
    const open = this.#next();
    if (open.kind !== "(") throw wrongRequirement(`found '${open.text}' expected: '('`);
    const values = new Set<string>();
    let wantsValue = true;
    for (;;) {
      const token = this.#next();
      if (token.kind === ")") {
        if (wantsValue) values.add("");
        return values;
      }
      if (token.kind === ",") {
        if (wantsValue) values.add("");
        wantsValue = true;
      } else if (wantsValue && isWord(token)) {
        values.add(token.text);
        wantsValue = false;
      } else throw wrongRequirement(`found '${token.text}', expected: ',' or ')'`);
    }
  }
}

function wrongRequirement(why: string) {
  return badRequest(`unable to parse requirement: ${why}`);
}

/** Throws 400 for what is no selector. */
export function labelSelector(text: string): Predicate {
  const tests = new LabelParser(text).parse();
  return (object) => {
    const labels = object.metadata.labels ?? {};
    return tests.every((test) => test(labels));
  };
}

function compare(key: string, operator: string, value: string): LabelTest {
  if (operator === "!=") return (labels) => labels[key] !== value;
  if (operator === ">" || operator === "<") {
    const limit = Number(value);
    if (value === "" || !Number.isInteger(limit)) {
      const why = "for 'Gt', 'Lt' operators, the value must be an integer";
      throw wrongRequirement(`values[0]: Invalid value: ${JSON.stringify(value)}: ${why}`);
    }
    return (labels) => {
      const found = Number(labels[key] ?? Number.NaN);
      return operator === ">" ? found > limit : found < limit;
    };
  }
  return (labels) => labels[key] === value;
}

/** How the fields are read that objects of a kind can be selected by, beside name and namespace. */
export type Readers = Readonly<Record<string, (object: KubeObject) => string>>;

/** Throws 400 for a field that the kind can't be selected by. */
export function fieldSelector(text: string, readers: Readers, isNamespaced: boolean): Predicate {
  const tests: Predicate[] = [];
  for (const part of text.split(",").filter((p) => p !== "")) {
    const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(part);
    if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    const [, field = "", operator, value = ""] = match;
    const read = field === "metadata.name"
      ? ({ metadata }: KubeObject) => metadata.name
      : field === "metadata.namespace" && isNamespaced
      ? ({ metadata }: KubeObject) => metadata.namespace ?? ""
      : Object.hasOwn(readers, field)
      ? readers[field]
      : undefined;
    if (read === undefined) throw badRequest(`field label not supported: ${field}`);
    tests.push(operator === "!=" ? (object) => read(object) !== value : (object) => read(object) === value);
  }
  return (object) => tests.every((test) => test(object));
}

/** The name that a field selector asks for, where it asks for just one. */
export function selectedName(query: URLSearchParams): string | undefined {
  return /(?:^|,)metadata\.name==?([^,=!]+)(?:,|$)/.exec(query.get("fieldSelector") ?? "")?.[1];
}

/** Both selectors of a request together; undefined where there is none. */
export function selectorOf(query: URLSearchParams, readers: Readers, isNamespaced: boolean): Predicate | undefined {
  const byLabels = query.get("labelSelector") ?? "";
  const byFields = query.get("fieldSelector") ?? "";
  if (byLabels === "" && byFields === "") return undefined;
  const labels = labelSelector(byLabels);
  const fields = fieldSelector(byFields, readers, isNamespaced);
  return (object) => labels(object) && fields(object);
}
