// What an apply step says of objects that the API doesn't take: the kind, the field, and what there is instead.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { skep, workFolder } from "../support/command.ts";

const folder = workFolder();
afterAll(() => folder.remove());

test("an apply step names kinds and fields that aren't there, and those that were meant; lists are taken apart", async () => {
  const spec = "spec: { nodename: gw-0, containers: [{ name: c, image: i, imagePullPolcy: Always }] }";
  const device =
    "apiVersion: devices.kubeedge.io/v1beta1\nkind: Device\nmetadata: { name: d }\nspec: { nodename: gw-0 }";
  const files: Record<string, string> = {
    "deployment.yaml": "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: { name: d }\n",
    "old-device.yaml": "apiVersion: devices.kubeedge.io/v1alpha2\nkind: Device\nmetadata: { name: d }\n",
    "small.yaml": "apiVersion: v1\nkind: Configmap\nmetadata: { name: d }\n",
    "pod.yaml": `apiVersion: v1\nkind: Pod\nmetadata: { name: p }\n${spec}\n`,
    "device.yaml": `${device}\n`,
    "list.yaml":
      "apiVersion: v1\nkind: List\nitems:\n- { apiVersion: v1, kind: ConfigMap, metadata: { name: listed }, data: { a: b } }\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text);
  const scenario = (name: string, more = "") =>
    `skep: 1\nname: ${name}\nfleet: [{ cohort: gw }]\nsteps:\n  - apply: ${name}\n${more}`;
  const listed =
    "  - expect: { at: kube, object: { apiVersion: v1, kind: ConfigMap, name: listed }, match: { data: { a: b } } }\n";
  const all = Object.keys(files).map((name) => scenario(name, name === "list.yaml" ? listed : ""));
  writeFileSync(join(folder.path, "scenarios.yaml"), all.join("---\n"));
  const { code, out } = await skep(folder.path, "run", "scenarios.yaml", "--port", "0", "--parallel", "1");
  expect(code).toBe(1);
  const lines = [
    /apply deployment\.yaml: the API has no kind Deployment in extensions\/v1beta1; it is there in apps\/v1 /,
    /the API has no kind Device in devices\.kubeedge\.io\/v1alpha2; it is there in devices\.kubeedge\.io\/v1beta1 /,
    /the API has no kind Configmap in v1; there is ConfigMap in v1 /,
    /spec\.nodename is no field of a Pod; spec\.nodeName is\n +spec\.containers\[0\]\.imagePullPolcy is no field of a Pod; spec/,
    /apply Device d: the API answered 400 .*\n +spec\.nodename is no field of a Device; spec\.nodeName is/,
  ];
  for (const line of lines) expect(out).toMatch(line);
  expect(out.trimEnd().split("\n").at(-1)).toMatch(/^1 passed, 5 failed, 0 skipped/);
});
