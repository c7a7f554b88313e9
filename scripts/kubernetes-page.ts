// The generated part of docs/kubernetes.md: kinds with what is enforced for each, and controllers, as the source has them.
import { controllerFacts } from "../cloud/apiserver/controllers/names.ts";
import type { Kind, Strategy } from "../cloud/apiserver/kinds/kind.ts";
import { Registry } from "../cloud/apiserver/kinds/registry.ts";

/** What a rule of a kind means to a user, by the part of its strategy that holds it. */
const meanings: readonly (readonly [keyof Strategy, string])[] = [
  ["admit", "admission"],
  ["validate", "rules across fields"],
  ["validateStatus", "rules of the status"],
  ["allocate", "allocation"],
  ["prepareUpdate", "what an update may not change"],
  ["gracePeriod", "graceful deletion"],
  ["generation", "generation"],
  ["versionRequired", "updates need a version"],
];

export function kubernetesPage(): string {
  const kinds = new Registry().all().sort((a, b) =>
    a.group < b.group ? -1 : a.group > b.group ? 1 : a.plural < b.plural ? -1 : 1
  );
  const rows = kinds.map((kind) =>
    `| ${kind.group === "" ? "" : `${kind.group}/`}${kind.version} | ${kind.kind} | ${shortNames(kind)} | ${
      subresources(kind)
    } | ${enforced(kind)} |`
  );
  return [
    "## Kinds",
    "",
    "For every kind: types of fields, unknown and repeated fields, defaults, merge keys, owners of fields, protobuf, OpenAPI and discovery. Beside that:",
    "",
    "| version | kind | short names | subresources | enforced besides |\n|---|---|---|---|---|",
    ...rows,
    "",
    "## Controllers",
    "",
    "Each is switched off by its name: `--controllers '*,-job'`; `--controllers scheduler` leaves that one alone.",
    "",
    "| name | what it does |\n|---|---|",
    ...Object.entries(controllerFacts).map(([name, about]) => `| \`${name}\` | ${about} |`),
  ].join("\n");
}

function shortNames({ shortNames = [] }: Kind): string {
  return shortNames.map((name) => `\`${name}\``).join(", ");
}

function subresources({ hasStatus, subresources: others }: Kind): string {
  const all = Object.entries(others).map(([name, { as }]) => as === "stream" ? `${name} (refused)` : name);
  return [...(hasStatus ? ["status"] : []), ...all].join(", ");
}

function enforced({ strategy }: Kind): string {
  return meanings.filter(([part]) => strategy[part] !== undefined && strategy[part] !== false).map(([, text]) => text)
    .join(", ");
}
