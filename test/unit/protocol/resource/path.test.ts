import { describe, expect, test } from "vitest";
import {
  nodeOf,
  nodePath,
  parseNodePath,
  parseWirePath,
  prefixNode,
  trimNode,
  wirePath,
} from "../../../../protocol/resource/path.ts";

describe("resource paths", () => {
  test("are built with and without a node, and without a name", () => {
    expect(nodePath("n1", "default", "pod", "web")).toBe("node/n1/default/pod/web");
    expect(wirePath("default", "podlist")).toBe("default/podlist");
    expect(prefixNode("n1", "default/pod/web")).toBe("node/n1/default/pod/web");
  });

  test.each([
    ["node/n1/default/pod/p", "default/pod/p"],
    ["node/n1/membership", "membership"],
    ["node/n1", "node/n1"],
    ["rule/r", "rule/r"],
  ])("%s is written to the edge as %s", (cloud, wire) => {
    expect(trimNode(cloud)).toBe(wire);
  });

  test.each([
    ["node/n1/default/pod/p", "n1"],
    ["operations.kubeedge.io/v1alpha2/nodeupgradejob/job1/node/n1", "n1"],
    ["default/pod/p", ""],
    ["node", ""],
  ])("%s is for node %j", (resource, node) => {
    expect(nodeOf(resource)).toBe(node);
  });

  test("are taken apart, or are none", () => {
    expect(parseWirePath("default/pod/web")).toEqual({ namespace: "default", type: "pod", name: "web" });
    expect(parseNodePath("node/n1/null/node/n1")).toEqual({ node: "n1", namespace: "null", type: "node", name: "n1" });
    for (const wrong of ["", "pod", "a//b", "a/b/c/d", "a/b/"]) expect(parseWirePath(wrong)).toBeUndefined();
    for (const wrong of ["default/pod/web", "node//default/pod/web", "node/n1/pod"]) {
      expect(parseNodePath(wrong)).toBeUndefined();
    }
  });
});
