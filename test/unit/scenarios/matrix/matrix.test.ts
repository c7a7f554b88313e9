// Several targets compared: outcomes, messages, and the table of both.
import { describe, expect, test } from "vitest";
import type { HopRecord } from "../../../../base/hop/hop.ts";
import { type HopName, hopOf } from "../../../../protocol/message/hops.ts";
import { isAlike, MatrixResult } from "../../../../scenarios/matrix/matrix.ts";
import { differenceLines, matrixLines, matrixMarkdown } from "../../../../scenarios/matrix/table.ts";
import type { Environment } from "../../../../scenarios/model/environment.ts";
import type { RunResult, ScenarioResult } from "../../../../scenarios/model/result.ts";
import type { Scenario } from "../../../../scenarios/model/scenario.ts";

const scenario = { name: "flows", position: { file: "f.yaml", line: 1, column: 1 } } as Scenario;
const hop = (name: HopName, resource: string, content: unknown, node = "gw-0"): HopRecord => ({
  ...hopOf({ header: { msg_id: "m" }, route: { operation: "update", resource } }, {
    time: 1,
    hop: name,
    direction: name === "edge.read" ? "down" : "up",
    node,
  }),
  text: JSON.stringify({ content }),
});
const seen = (hops: readonly HopRecord[], shared?: string) =>
  ({
    hops: { since: () => hops },
    isShared: shared !== undefined,
    namespace: shared ?? "default",
  }) as unknown as Environment;
const result = (verdict: ScenarioResult["verdict"], reason = "") =>
  ({ name: "flows", file: "f.yaml", verdict, reason, took: 1500, failures: [] }) as unknown as ScenarioResult;
const run = (...scenarios: ScenarioResult[]) => ({ scenarios }) as unknown as RunResult;

describe("a matrix", () => {
  const pod = { metadata: { name: "p", namespace: "default", labels: { a: "b" } } };
  function compared(other: readonly HopRecord[], shared?: string, outcome = result("passed")) {
    const matrix = new MatrixResult();
    const first = matrix.column("ours");
    first.observed(scenario, seen([hop("edge.read", "default/pod/p", pod), hop("hub.write", "default/pod/p", pod)]));
    first.finished(run(result("passed")));
    const second = matrix.column("go");
    second.observed(scenario, seen(other, shared));
    second.finished(run(outcome));
    return { matrix, row: matrix.rows()[0] as ReturnType<MatrixResult["rows"]>[number] };
  }

  test("finds nothing where edges saw the same, whatever a shared cluster calls it", () => {
    const shared = JSON.parse(JSON.stringify(pod).replace('"default"', '"skep-flows-12345"'));
    // First, and before another label, as the API writes them.
    shared.metadata.labels = { "skep/run": "0123456789", ...shared.metadata.labels };
    const { row } = compared([hop("edge.read", "skep-flows-12345/pod/p", shared, "gw-0-12345")], "skep-flows-12345");
    expect(differenceLines(row)).toEqual([]);
    expect(isAlike(row)).toBe(true);
    expect(row.cells.map(({ down, up }) => [down, up])).toEqual([[1, 0], [1, 0]]);
  });

  test("says what is missing, more, or of another content", () => {
    const { row } = compared([
      hop("edge.read", "default/pod/p", { metadata: { ...pod.metadata, labels: { a: "c" } } }),
      hop("edge.write", "default/podstatus/p", {}),
    ]);
    expect(differenceLines(row)).toEqual([
      'go: content down update default/pod/p: metadata.labels.a: expected "b", found "c"',
      "go: additional up update default/podstatus/p: 0 times in A, 1 in B",
    ]);
    expect(isAlike(row)).toBe(false);
  });

  test("compares no messages of what did not pass, and shows why", () => {
    const { matrix, row } = compared([], undefined, result("skipped", "go has no csi"));
    expect(differenceLines(row)).toEqual([]);
    expect(matrixLines(matrix.targets(), [row])).toEqual([
      "",
      "scenario  ours          go",
      "flows     ✓ 0↑ 1↓ 1.5 s  –",
      "    go: skipped: go has no csi",
    ]);
    expect(matrixMarkdown(matrix.targets(), [row])).toContain("| flows | ✓ 0↑ 1↓ 1.5 s | – |");
  });

  test("has a row for what only one target ran", () => {
    const matrix = new MatrixResult();
    matrix.column("ours").finished(run(result("passed")));
    matrix.column("go").finished(run());
    expect(matrix.rows()[0]?.cells.map(({ verdict }) => verdict)).toEqual(["passed", "not run"]);
  });
});
