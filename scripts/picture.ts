// Draws a run of the library's smoke scenarios as docs/run.svg, for the README: the real output, in a terminal's clothes.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";

const LINE = 19;
const CHAR = 7.83;
const { stdout } = spawnSync(process.execPath, ["bin/skep.mjs", "run", "--tag", "smoke"], { encoding: "utf8" });
const lines = ["$ npm run -s skep -- run --tag smoke", ...stdout.trimEnd().split("\n")];
const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * CHAR) + 40;
const height = lines.length * LINE + 44;

const colors: readonly [RegExp, string][] = [
  [/^(✓|passed)/, "#7ee787"],
  [/^(✗|failed)/, "#ff7b72"],
  [/^\$/, "#79c0ff"],
  [/^(skep|verdict|first|reports)/, "#8b949e"],
];
const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const texts = lines.map((line, i) => {
  const color = colors.find(([pattern]) => pattern.test(line))?.[1] ?? "#c9d1d9";
  return `<text x="20" y="${38 + i * LINE}" fill="${color}" xml:space="preserve">${escape(line)}</text>`;
});
writeFileSync(
  "docs/run.svg",
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${texts.join("\n")}
</svg>
`,
);
console.log("wrote docs/run.svg");
