// Reads a test of Chainsaw (https://kyverno.github.io/chainsaw) and writes the scenario that does the same, as far as skep has the words.
import { stringify } from "yaml";
import { isPlainObject } from "../../protocol/apis/kube-object.ts";
import { ScenarioError } from "../files/position.ts";
import { documentsIn } from "../files/yaml-document.ts";

/** What became of a test. */
export interface Imported {
  readonly name: string;
  /** The scenario, as YAML. */
  readonly text: string;
  /** What could not be translated: where it stood, and what it was. */
  readonly left: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** The scenario of a `chainsaw-test.yaml`. Throws ScenarioError where the text is no such test. */
export function importChainsaw(text: string, file: string): Imported {
  const [document] = documentsIn(text, file);
  const value = document?.value();
  const isTest = String(value?.apiVersion ?? "").startsWith("chainsaw.kyverno.io/") && value?.kind === "Test";
  if (document === undefined || !isTest) {
    throw new ScenarioError({ file, line: 1, column: 1 }, "this is no Test of chainsaw.kyverno.io");
  }
  const spec = fieldsOf(value?.spec);
  const translation = new Translation();
  const { steps: given, description, timeouts, catch: onFailure, skip, ...others } = spec;
  if (skip === true) translation.leave("spec.skip", skip);
  for (const key of Object.keys(others)) {
    if (!["concurrent", "fullName", "skipDelete"].includes(key)) translation.leave(`spec.${key}`, others[key]);
  }
  const within = fieldsOf(timeouts);
  const steps: Fields[] = [];
  const finals: Fields[] = [];
  const catches: Fields[] = translation.operations(onFailure, "spec.catch", within);
  for (const [i, step] of listOf(given).entries()) {
    const { name, description: about, try: tries, catch: stepCatch, finally: atEnd, cleanup, timeouts: own, ...rest } =
      fieldsOf(step);
    const at = `spec.steps[${i}]`;
    const time = { ...within, ...fieldsOf(own) };
    const [first, ...more] = translation.operations(tries, `${at}.try`, time);
    if (first !== undefined) {
      steps.push(name === undefined && about === undefined ? first : { name: name ?? about, ...first }, ...more);
    }
    catches.push(...translation.operations(stepCatch, `${at}.catch`, time));
    finals.push(
      ...translation.operations(atEnd, `${at}.finally`, time),
      ...translation.operations(cleanup, `${at}.cleanup`, time),
    );
    for (const key of Object.keys(rest)) translation.leave(`${at}.${key}`, rest[key]);
  }
  const name = String(fieldsOf(value?.metadata).name ?? "a test of Chainsaw");
  const scenario = {
    skep: 1,
    name: typeof description === "string" ? `${name}: ${description}` : name,
    tags: ["chainsaw"],
    steps: steps.length === 0 ? [{ wait: "1ms" }] : steps,
    ...(catches.length === 0 ? {} : { catch: catches }),
    ...(finals.length === 0 ? {} : { finally: finals }),
  };
  const head = [
    `# From the Chainsaw test ${name}.`,
    ...(translation.left.length === 0 ? [] : ["# Not translated:", ...translation.left.map((line) => `#   ${line}`)]),
  ];
  return { name, text: `${head.join("\n")}\n${stringify(scenario, { lineWidth: 120 })}`, left: translation.left };
}

/** What of each operation is translated. */
const known: Readonly<Record<string, readonly string[]>> = {
  apply: ["file", "resource", "expect", "template", "timeout"],
  create: ["file", "resource", "expect", "template", "timeout"],
  update: ["file", "resource", "expect", "template", "timeout"],
  assert: ["file", "resource", "template", "timeout"],
  error: ["file", "resource", "template", "timeout"],
  delete: ["ref", "file", "expect", "template", "timeout"],
  sleep: ["duration"],
  command: ["entrypoint", "args", "check", "timeout"],
  script: ["content", "check", "timeout"],
};

class Translation {
  readonly left: string[] = [];

  leave(at: string, what: unknown): void {
    this.left.push(`${at}: ${JSON.stringify(what)?.slice(0, 120)}`);
  }

  operations(list: unknown, at: string, within: Fields): Fields[] {
    return listOf(list).flatMap((operation, i) => this.#operation(fieldsOf(operation), `${at}[${i}]`, within));
  }

  #operation(operation: Fields, at: string, within: Fields): Fields[] {
    for (const [kind, given] of Object.entries(operation)) {
      const args = fieldsOf(given);
      for (const key of Object.keys(args)) {
        if (known[kind]?.includes(key) === false) this.leave(`${at}.${kind}.${key}`, args[key]);
      }
      for (const key of Object.keys(operation)) {
        if (key !== kind && key !== "description") this.leave(`${at}.${key}`, operation[key]);
      }
      const manifest = this.#manifest(args, `${at}.${kind}`);
      const time = (key: string) =>
        typeof (args.timeout ?? within[key]) === "string" ? { within: args.timeout ?? within[key] } : {};
      switch (kind) {
        case "apply":
        case "create":
        case "update":
          if (manifest !== undefined) return [{ apply: manifest }];
          break;
        case "assert":
          if (manifest !== undefined) {
            const limit = time("assert");
            return [{ assert: "within" in limit ? { objects: manifest, ...limit } : manifest }];
          }
          break;
        case "error":
          if (manifest !== undefined) return [{ assert: { objects: manifest, absent: true, ...time("error") } }];
          break;
        case "delete": {
          const { apiVersion, kind: of, name, namespace } = fieldsOf(args.ref);
          if (manifest !== undefined) return [{ delete: manifest }];
          const where = namespace === undefined ? {} : { namespace };
          if (typeof name === "string") return [{ delete: { object: { apiVersion, kind: of, name, ...where } } }];
          break;
        }
        case "sleep":
          return [{ wait: args.duration }];
        case "command":
          if (typeof args.entrypoint === "string" && args.check === undefined) {
            return [{ exec: { command: [args.entrypoint, ...listOf(args.args).map(String)], ...time("exec") } }];
          }
          break;
        case "script":
          if (typeof args.content === "string" && args.check === undefined) {
            return [{ exec: { command: ["sh", "-c", args.content], ...time("exec") } }];
          }
          break;
        case "podLogs":
        case "events":
        case "describe":
        case "get":
          // What skep can show in their place.
          this.leave(`${at}.${kind}`, given);
          return [{ show: "messages" }];
        case "description":
          continue;
      }
      this.leave(`${at}.${kind}`, given);
    }
    return [];
  }

  /** Files or objects; undefined where there are none, or where they are templates. */
  #manifest({ expect, file, resource, template }: Fields, at: string): unknown {
    if (expect !== undefined) this.leave(`${at}.expect`, expect);
    const found = file ?? resource;
    // Bindings and JMESPath: `($namespace)`, `(length(items))`.
    if (template === true || /"\(|\(\$/.test(JSON.stringify(found ?? ""))) return undefined;
    return found;
  }
}

function fieldsOf(value: unknown): Fields {
  return isPlainObject(value) ? value as Fields : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
