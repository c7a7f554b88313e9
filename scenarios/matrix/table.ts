// The table of `skep matrix`: for a terminal, as Markdown, as JSON.
import { spoken } from "../files/duration.ts";
import { isAlike, type MatrixCell, type MatrixRow } from "./matrix.ts";

/** The name and version of the form. A change that breaks readers gets a new number. */
export const matrixFormat = "skep.matrix/1";

const words = { passed: "✓", failed: "✗", skipped: "–", "not run": "" } as const;

/** Lines for a terminal: a row for each scenario, and under it what differs. */
export function matrixLines(targets: readonly string[], rows: readonly MatrixRow[]): string[] {
  const width = Math.max(8, ...rows.map(({ name }) => name.length));
  const columns = targets.map((target) => Math.max(12, target.length));
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(width)}  ${cells.map((cell, i) => cell.padEnd(columns[i] as number)).join("  ")}`.trimEnd();
  return [
    "",
    line("scenario", targets),
    ...rows.flatMap((row) => [line(row.name, row.cells.map(short)), ...detailsOf(row)]),
  ];
}

/** A table in Markdown, with the differences under it. */
export function matrixMarkdown(targets: readonly string[], rows: readonly MatrixRow[]): string {
  const text = (value: string) => value.replaceAll("|", "\\|").replaceAll("\n", " ");
  const differing = rows.filter((row) => detailsOf(row).length > 0);
  return [
    `| scenario | ${targets.map(text).join(" | ")} |`,
    `|---|${targets.map(() => "---").join("|")}|`,
    ...rows.map((row) => `| ${text(row.name)} | ${row.cells.map((cell) => text(short(cell))).join(" | ")} |`),
    "",
    "✓ held, ✗ failed, – skipped; the numbers are messages that edges sent and got.",
    "",
    ...differing.flatMap((row) => [`**${row.name}**`, "", ...detailsOf(row).map((line) => `- ${line.trim()}`), ""]),
  ].join("\n");
}

export function matrixJson(targets: readonly string[], rows: readonly MatrixRow[]): string {
  return `${
    JSON.stringify(
      { format: matrixFormat, targets, scenarios: rows.map((row) => ({ ...row, alike: isAlike(row) })) },
      null,
      2,
    )
  }\n`;
}

function short({ down, took, up, verdict }: MatrixCell): string {
  if (verdict === "skipped" || verdict === "not run") return words[verdict];
  return `${words[verdict]} ${up}↑ ${down}↓ ${spoken(took)}`;
}

/** Lines about what a row's targets did differently, or why not at all. */
function detailsOf(row: MatrixRow): string[] {
  const verdicts = row.cells.filter(({ verdict }) => verdict === "failed" || verdict === "skipped").map((
    { reason, target, verdict },
  ) => `${target}: ${verdict}: ${reason}`);
  return [...verdicts, ...differenceLines(row)].map((line) => `    ${line}`);
}

/** How messages of the other targets differ from the first one's, a line each. */
export function differenceLines({ cells }: MatrixRow): string[] {
  return cells.flatMap(({ differences, target }) =>
    summed(
      differences.map(({ details, kind, message }) =>
        `${kind} ${message}: ${(kind === "content" ? details[1] : details[0]) ?? ""}`
      ),
    ).map((text) => `${target}: ${text}`)
  );
}

/** The same difference on several edges is one. */
function summed(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const alike = line.replace(/-\d+(?=\b)/g, "-N");
    counts.set(alike, (counts.get(alike) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => count === 1 ? line : `${line} (${count} times)`);
}
