// The page that holds statements of KubeEdge's behaviour against the tests that prove ours: every row has one, or the build fails.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

interface Statement {
  /** Part, section, running number: `1-3.6.4`. */
  readonly id: string;
  readonly statement: string;
  /** What docs/deviations.md tells: ours differs on purpose. */
  readonly deviates?: boolean;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
}

const titles: Readonly<Record<string, string>> = {
  "1 §2": "Transport: frames of QUIC",
  "1 §3": "CloudHub",
  "1 §4": "CloudHub, nodes of v1.1",
  "1 §5": "Certificates and enrolment",
  "1 §6": "The CSI driver's socket",
  "1 §7": "Configuration",
  "1 §8": "EdgeHub",
  "1 §9": "What a cloud must get right",
  "4 §1": "Reliable delivery (SyncController)",
  "2 §2": "EdgeController, downstream",
  "2 §3": "EdgeController, upstream",
  "2 §8": "What KubeEdge's EdgeController is known for, number by number",
  "3 §2": "DeviceController, downstream",
  "3 §3": "DeviceController, upstream",
  "2 §4": "MetaManager and edged",
  "2 §5": "What a simulated node must do",
  "3 §4": "DeviceTwin",
  "3 §5": "EventBus and ServiceBus",
  "3 §6": "Mappers over DMI",
  "3 §9": "What simulated devices must do",
  "4 §12": "What a simulated edge must do",
  "3 §8": "What KubeEdge's devices are known for, number by number",
};

/** The page. Throws an Error that names each row without a test, and each test that is not there. */
export async function coveragePage(files: readonly string[]): Promise<string> {
  const statements =
    (await Promise.all(files.map(async (file) => JSON.parse(await readFile(file, "utf8")) as Statement[])))
      .flat();
  const faults: string[] = [];
  const sources = new Map<string, string>();
  for (const { id, tests } of statements) {
    if (tests.length === 0) faults.push(`${id} has no test`);
    for (const { file, name } of tests) {
      if (!sources.has(file)) sources.set(file, await readFile(file, "utf8").catch(() => ""));
      if (!has(sources.get(file) ?? "", file, name)) {
        faults.push(`${id}: there is no test ${JSON.stringify(name)} in ${file}`);
      }
    }
  }
  const ids = statements.map(({ id }) => id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`${id} is there twice`);
  if (faults.length > 0) throw new Error(`coverage: ${faults.join("; ")}`);

  const tests = new Set(statements.flatMap((statement) => statement.tests.map(({ file, name }) => `${file} ${name}`)));
  const lines = [
    "# What cloudcore and the edges do, and which test proves it",
    "",
    `${statements.length} statements about what can be seen of a cloudcore, or of an edge, from outside, each with the tests that fail where it does not hold (${tests.size} tests, many of them tables).`,
    "Numbers put them in order, and nothing else. (table) marks a test that is run for a table of cases. ≠ marks where skep differs from KubeEdge on purpose; [deviations.md](deviations.md) says why.",
  ];
  let part = "";
  for (const { deviates, id, statement, tests } of statements) {
    const [document, rest = ""] = id.split("-");
    const of = `${document} §${rest.split(".")[0]}`;
    if (of !== part) lines.push("", `## ${titles[of] ?? of}`, "", "| | statement | tests |", "|---|---|---|");
    part = of;
    const cells = tests.map(({ file, name }) => `[${escaped(labelOf(name, file))}](../${file})`).join("<br>");
    lines.push(`| ${document} §${rest} | ${deviates ? "≠ " : ""}${escaped(statement)} | ${cells} |`);
  }
  return `${lines.join("\n")}\n`;
}

/** Whether a test of that name, or a scenario, stands in the source. */
export function has(source: string, file: string, name: string): boolean {
  if (file.endsWith(".yaml")) return source.split("\n").includes(`name: ${name}`);
  return ['"', "`", "'"].some((quote) => source.includes(`${quote}${name.replaceAll(quote, `\\${quote}`)}${quote}`));
}

/** The name of a test; of one with a table of cases, without the places where each case puts its words. */
export function labelOf(name: string, file: string): string {
  const label = name.replace(/%[sdijf]|\$[a-z]\w*/g, "…").replace(/…(?:[ ,]*…)+/g, "…").trim();
  if (label === name) return name;
  return /[a-z]{2}/i.test(label) ? `${label} (table)` : `the table of ${basename(file, ".test.ts")}`;
}

export function escaped(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", " ");
}
