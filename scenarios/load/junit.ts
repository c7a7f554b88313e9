// A load run as JUnit XML: each threshold is a test case.
import { xmlText } from "../report/xml.ts";
import { inUnit } from "./lines.ts";
import type { LoadResult } from "./result.ts";

export function loadJunit(result: LoadResult): string {
  const { name, reasons, startedAt, thresholds, took, verdict } = result;
  const cases = thresholds.map(({ found, text, unit, verdict: own }) => {
    const open = `    <testcase name="${xmlText(text)}" classname="${xmlText(name)}" time="0.000"`;
    if (own === "held" && verdict !== "none") return `${open}/>`;
    const why = `found ${inUnit(found, unit)}`;
    const skipped = own === "not judged" || verdict === "none";
    const inner = skipped
      ? `<skipped message="${xmlText(verdict === "none" ? reasons.join("; ") : why)}"/>`
      : `<failure message="${xmlText(why)}"/>`;
    return `${open}>\n      ${inner}\n    </testcase>`;
  });
  const failed = verdict === "none" ? 0 : thresholds.filter((one) => one.verdict === "crossed").length;
  const skipped = verdict === "none"
    ? thresholds.length
    : thresholds.filter((one) => one.verdict === "not judged").length;
  const counts = `tests="${thresholds.length}" failures="${failed}" skipped="${skipped}" errors="0" time="${
    (took / 1000).toFixed(3)
  }"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="skep load" ${counts}>`,
    `  <testsuite name="${xmlText(name)}" ${counts} timestamp="${new Date(startedAt).toISOString().slice(0, 19)}">`,
    ...cases,
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}
