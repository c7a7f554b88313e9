// `skep run --update`: shows what was found instead of what scenarios expect, and writes it into their files.
import { maskedValue } from "../protocol/message/mask.ts";
import { readFile, writeFile } from "node:fs/promises";
import { type Document, isMap, isNode, LineCounter, parseAllDocuments, visit } from "yaml";
import type { Difference } from "../scenarios/model/match.ts";
import type { Failure, RunResult } from "../scenarios/model/result.ts";
import { show } from "../scenarios/files/show.ts";

interface Writable {
  write(text: string): unknown;
}

/** Writes the values of failed expectations into the files of their scenarios; what can't be written is said. Comments stay. */
export async function updateExpectations({ scenarios }: RunResult, out: Writable): Promise<void> {
  const byFile = new Map<string, Failure[]>();
  for (const { failures } of scenarios) {
    for (const failure of failures) {
      const { differences = [], position } = failure;
      if (position === undefined || differences.length === 0) continue;
      byFile.set(position.file, [...byFile.get(position.file) ?? [], failure]);
    }
  }
  let written = 0;
  for (const [file, failures] of byFile) written += await updateFile(file, failures, out);
  out.write(
    written === 0
      ? "nothing was updated\n"
      : `updated ${written} expected values; look at the difference before you commit\n`,
  );
}

async function updateFile(file: string, failures: readonly Failure[], out: Writable): Promise<number> {
  if (!/\.ya?ml$/.test(file)) {
    out.write(`${file}: a scenario in code is not rewritten\n`);
    return 0;
  }
  const text = await readFile(file, "utf8");
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, intAsBigInt: true }) as Document[];
  const edits: { readonly from: number; readonly to: number; readonly text: string }[] = [];
  for (const { differences = [], position } of failures) {
    for (const difference of differences) {
      const at = `${file}:${position?.line} ${difference.path}`;
      const place = valueAt(documents, lines, position ?? { line: 0, column: 0 }, difference);
      const refusal = refusalOf(place, difference);
      if (refusal !== undefined || place === undefined) {
        out.write(`${at}: not updated: ${refusal}\n`);
        continue;
      }
      // What a secret holds is written nowhere.
      if (difference.found === maskedValue) continue;
      const found = JSON.stringify(difference.found);
      // A scenario that was repeated says the same several times.
      if (edits.some(({ from }) => from === place.from)) continue;
      out.write(`${at}\n  - ${show(difference.expected)}\n  + ${show(difference.found)}\n`);
      edits.push({ from: place.from, to: place.to, text: found });
    }
  }
  let updated = text;
  // From the end, so that places before it stay.
  for (const edit of edits.sort((a, b) => b.from - a.from)) {
    updated = `${updated.slice(0, edit.from)}${edit.text}${updated.slice(edit.to)}`;
  }
  if (edits.length > 0) await writeFile(file, updated);
  return edits.length;
}

interface Place {
  readonly from: number;
  readonly to: number;
  readonly value: unknown;
}

/** Where the expected value stands: in the step whose word is there. */
function valueAt(
  documents: readonly Document[],
  lines: LineCounter,
  { column, line }: { readonly line: number; readonly column: number },
  { at }: Difference,
): Place | undefined {
  let place: Place | undefined;
  for (const document of documents) {
    visit(document, {
      Pair(_, pair) {
        if (!isNode(pair.key) || !pair.key.range) return undefined;
        const found = lines.linePos(pair.key.range[0]);
        if (found.line !== line || found.col !== column) return undefined;
        if (!isMap(pair.value)) return undefined;
        const node = pair.value.getIn(at as (string | number)[], true);
        if (!isNode(node) || !node.range) return undefined;
        place = { from: node.range[0], to: node.range[1], value: node.toJS(document) };
        return visit.BREAK;
      },
    });
  }
  return place;
}

function refusalOf(place: Place | undefined, { at, found }: Difference): string | undefined {
  if (at.at(-1) === "$matches") return "it is a regular expression: change it by hand";
  if (found === undefined) return "there is nothing";
  if (place === undefined) return "its place in the file was not found";
  if (typeof place.value === "string" && /\$\w/.test(place.value)) return "it has a variable in it";
  if (typeof found === "object" && found !== null) return "what was found is not one value";
  return undefined;
}
