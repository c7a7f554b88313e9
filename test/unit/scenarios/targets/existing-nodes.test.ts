// Real edges under the names that a scenario writes.
import { expect, test } from "vitest";
import { withNodeNames } from "../../../../scenarios/targets/existing-nodes.ts";

test("names of edges in texts and keys become those of Nodes, whole names only", () => {
  const names = new Map([["gw-0", "plant-a"], ["gw-10", "plant-b"]]);
  const value = {
    at: "edge/gw-0",
    list: ["gw-10", "gw-0-meter-1", "gw-1", "xgw-0", "gw-00"],
    "gw-0": 1,
    deep: { n: null },
  };
  expect(withNodeNames(value, names)).toEqual({
    at: "edge/plant-a",
    list: ["plant-b", "plant-a-meter-1", "gw-1", "xgw-0", "gw-00"],
    "plant-a": 1,
    deep: { n: null },
  });
  expect(withNodeNames("gw-0", new Map())).toBe("gw-0");
});
