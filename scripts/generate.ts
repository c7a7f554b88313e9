// Writes what is made from the source: the editor's schema, the reference of steps, the page of the library. `--check` only compares.
import { metricsAbout } from "../cloud/monitor/monitor.ts";
import { cloudcoreKeys, type ConfigSection, isKey, skepKeys, strictGoWays } from "../protocol/apis/cloudcore-config.ts";
import { kubernetesPage } from "./kubernetes-page.ts";
import { compatibilityPage } from "./compatibility-page.ts";
import { securityPage } from "./security-page.ts";
import { robustnessPage } from "./robustness-page.ts";
import { coveragePage } from "./coverage.ts";
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, relative } from "node:path";
import { errorCodes, type ErrorFacts } from "../base/error/codes.ts";
import { editorSchema } from "../scenarios/engine/schema.ts";
import { loadScenarios } from "../scenarios/suite/load.ts";
import { libraryFiles } from "../scenarios/library/library.ts";
import { spoken } from "../scenarios/files/duration.ts";
import { shippedProfiles } from "../scenarios/load/find.ts";
import { countNames, flowNames, gaugeNames } from "../scenarios/load/metrics.ts";
import { durationOf, edgesOf } from "../scenarios/load/profile.ts";
import { profileEditorSchema, profileSchema } from "../scenarios/load/schema.ts";
import { stepTable } from "../scenarios/steps/table.ts";
import { capabilities, capabilityMeanings } from "../scenarios/model/capabilities.ts";
import { matrixSchema } from "../scenarios/matrix/schema.ts";
import { targetsSchema } from "../scenarios/targets/description.ts";

type Schema = Readonly<Record<string, unknown>>;

/** A schema's fields as rows of a table. */
function rowsOf(schema: Schema): string[] {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const required = new Set((schema.required ?? []) as string[]);
  return Object.entries(properties).map(([name, field]) =>
    `| \`${name}\`${required.has(name) ? " *" : ""} | ${typeOf(field)} | ${String(field.description ?? "")} |`
  );
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return (schema.enum as unknown[]).map((value) => `\`${String(value)}\``).join(", ");
  if (String(schema.pattern ?? "").includes("ms|s|m|h")) return "duration";
  if (schema.$ref !== undefined) return "steps";
  return Array.isArray(schema.type) ? schema.type.join(" or ") : String(schema.type ?? "anything");
}

function stepReference(): string {
  return [...stepTable.values()].map(({ name, summary, schema }) => {
    const forms = [schema, ...((schema.anyOf ?? []) as Schema[])].filter((form) => form.properties !== undefined);
    const rows = forms.flatMap(rowsOf);
    const table = rows.length === 0
      ? `Takes ${schema.description ?? typeOf(schema)}.`
      : ["| field | value | |", "|---|---|---|", ...rows].join("\n");
    return `### ${name}\n\n${summary}\n\n${table}`;
  }).join("\n\n");
}

async function libraryPage(): Promise<string> {
  const lines = [
    "# The scenario library",
    "",
    "What each scenario answers, in the order a newcomer needs them. Copy one and change it.",
  ];
  let subject = "";
  for (const file of await libraryFiles()) {
    const question = (await readFile(file, "utf8")).split("\n")[0]?.slice(2) ?? "";
    const [scenario] = await loadScenarios(file);
    if (basename(dirname(file)) !== subject) {
      subject = basename(dirname(file));
      lines.push("", `## ${subject}`, "", "| question | scenario | tags |", "|---|---|---|");
    }
    const path = relative(process.cwd(), file);
    lines.push(`| ${question} | [${scenario?.name}](../${path}) | ${scenario?.tags.join(", ")} |`);
  }
  return `${lines.join("\n")}\n`;
}

/** The keys of a cloudcore.yaml that do something, those that don't, and the metrics. */
function cloudcoreReference(): string {
  const rows: string[] = [];
  const inert: string[] = [];
  const walk = (section: ConfigSection, path: string) => {
    for (const [name, entry] of Object.entries(section)) {
      const full = path === "" ? name : `${path}.${name}`;
      if (!isKey(entry)) walk(entry, full);
      else if (!entry.hasEffect) inert.push(`\`${full}\``);
      else rows.push(`| \`${full}\` | \`${JSON.stringify(entry.default)}\` | ${entry.about} |`);
    }
  };
  walk({ ...cloudcoreKeys("this host's address"), skep: skepKeys }, "");
  const metrics = Object.entries(metricsAbout).map(([name, about]) => `| \`${name}\` | ${about} |`);
  const ways = Object.entries(strictGoWays).map(([name, about]) => `| \`${name}\` | ${about} |`);
  return [
    "## Every key",
    "",
    "| key | default | |\n|---|---|---|",
    ...rows,
    "",
    `Taken and without effect: ${inert.join(", ")}.`,
    "",
    "`skep.strictGo` takes:",
    "",
    "| way of Go | |\n|---|---|",
    ...ways,
    "",
    "## Health and metrics",
    "",
    "`/healthz` answers as long as the process lives, `/readyz` 200 while edges are served and 503 with the reason before and after, `/metrics` in Prometheus' format:",
    "",
    "| metric | |\n|---|---|",
    ...metrics,
  ].join("\n");
}

/** Puts the generated part between the markers of a page that is otherwise written by hand. */
async function between(file: string, text: string): Promise<string> {
  const page = await readFile(file, "utf8");
  const [before = "", , after = ""] = page.split(
    /<!-- generated: begin -->[\s\S]*?(?=<!-- generated: end -->)|<!-- generated: end -->/,
  );
  return `${before}<!-- generated: begin -->\n${text}\n<!-- generated: end -->${after}`;
}

/** Every error code. */
function errorsPage(): string {
  const rows = Object.entries(errorCodes as Readonly<Record<string, ErrorFacts>>)
    .filter(([, { isInternal }]) => isInternal === undefined)
    .map(([code, { advice, meaning }]) => `| \`${code}\` | ${meaning} | ${advice} |`);
  return [
    "# Errors",
    "",
    "Every error has a code that stays the same from version to version, a message that says what happened where, and a line that says what to do. A command that can't do its work prints all three on standard error and exits with 2:",
    "",
    "```",
    "skep: can't listen on 127.0.0.1:10000: it is in use",
    "  choose another port with --port, or leave --port out to have a free one found (SKEP_LISTEN)",
    "```",
    "",
    "In code, errors are instances of `SkepError` with `code`, `message`, `advice` and `details`. Generated from `base/error/codes.ts`.",
    "",
    "| code | what it means | what to do |\n|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

/** What load profiles measure and do. */
async function loadReference(): Promise<string> {
  const table = (names: Readonly<Record<string, string>>) =>
    ["| | |\n|---|---|", ...Object.entries(names).map(([name, about]) => `| \`${name}\` | ${about} |`)].join("\n");
  const mix = ((profileSchema.properties as Record<string, Schema>).load?.properties as Record<string, Schema>).mix;
  const kinds = Object.entries(mix?.properties as Record<string, Schema>).map(([name, kind]) => {
    const fields = Object.entries(kind.properties as Record<string, Schema>).map(([field, schema]) =>
      `\`${field}\`: ${String(schema.description)}`
    );
    return `| \`${name}\` | ${String(kind.description)} | ${fields.join("; ")} |`;
  });
  const profiles = (await shippedProfiles()).map(({ name, profile }) =>
    `| \`${name}\` | ${edgesOf(profile)} | ${spoken(durationOf(profile))} | ${profile.description} |`
  );
  return [
    "## Profiles that come with skep\n\n| name | edges | phases take | |\n|---|---|---|---|",
    ...profiles,
    "\n## What is done: the mix\n\n| kind | | fields |\n|---|---|---|",
    ...kinds,
    `\n## What is measured\n\nFlows, in milliseconds; thresholds take \`p(N)\`, \`mean\`, \`min\`, \`max\` and \`count\` of them:\n\n${
      table(flowNames)
    }`,
    `\nGauges, sampled once a second; \`min\`, \`mean\`, \`max\`, \`last\` and \`growth\` (the mean of the last third against that of the first). \`edges.*\` may be compared with a share of the edges, as in \`edges.ready min == 100%\`:\n\n${
      table(gaugeNames)
    }`,
    `\nCounts of the judged time:\n\n${table(countNames)}`,
  ].join("\n");
}

const outputs: Readonly<Record<string, string>> = {
  "docs/cloudcore.md": await between("docs/cloudcore.md", cloudcoreReference()),
  "docs/errors.md": errorsPage(),
  "docs/kubernetes.md": await between("docs/kubernetes.md", kubernetesPage()),
  "docs/coverage.md": await coveragePage(
    ["cloudhub", "controllers", "edge"].map((part) => `test/statements/${part}.json`),
  ),
  "scenarios/scenario.schema.json": `${JSON.stringify(editorSchema(stepTable), null, 2)}\n`,
  "scenarios/target.schema.json": `${JSON.stringify(targetsSchema, null, 2)}\n`,
  "scenarios/matrix/matrix.schema.json": `${JSON.stringify(matrixSchema, null, 2)}\n`,
  "docs/load.md": await between("docs/load.md", await loadReference()),
  "scenarios/load/profile.schema.json": `${JSON.stringify(profileEditorSchema, null, 2)}\n`,
  "docs/library.md": await libraryPage(),
  "docs/compatibility.md": compatibilityPage(),
  "docs/security.md": await securityPage(),
  "docs/robustness.md": await robustnessPage(),
  "docs/scenarios.md": await between(
    "docs/scenarios.md",
    `${stepReference()}\n\n### Capabilities\n\n| capability | a target has it where |\n|---|---|\n${
      capabilities.map((name) => `| \`${name}\` | ${capabilityMeanings[name]} |`).join("\n")
    }`,
  ),
};

const isCheck = process.argv.includes("--check");
for (const [file, text] of Object.entries(outputs)) {
  const present = await readFile(file, "utf8").catch(() => "");
  if (present === text) continue;
  if (isCheck) {
    console.error(`${file} is out of date: run \`npm run -s node -- scripts/generate.ts\``);
    process.exitCode = 1;
  } else {
    await writeFile(file, text);
    console.log(`wrote ${file}`);
  }
}
