// What CI servers are given: the action of this repository, and the targets that a guide describes.
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { parseTargets } from "../../scenarios/targets/description.ts";
import { workFolder } from "../support/command.ts";
import { blocks, read, root } from "../support/pages.ts";

const folder = workFolder();
afterAll(() => folder.remove());

test("the action runs the scenarios of the workspace, and annotates what failed", async () => {
  const action = parse(read("action.yml"));
  const [step] = action.runs.steps;
  const inputs = Object.fromEntries(
    Object.entries(action.inputs).map(([name, input]) => [name, (input as { readonly default: string }).default]),
  );
  const given: Record<string, string> = { ...inputs, files: "holds.yaml fails.yaml", arguments: "--port 0" };
  const head = "skep: 1\nfleet: [{ cohort: gw, count: 1 }]\n";
  const node = "at: kube, object: { apiVersion: v1, kind: Node, name: gw-0 }";
  writeFileSync(join(folder.path, "holds.yaml"), `${head}name: holds\nsteps: [{ expect: { ${node} } }]\n`);
  writeFileSync(
    join(folder.path, "fails.yaml"),
    `${head}name: fails\nsteps: [{ expect: { ${node}, match: { kind: Pod }, within: 50ms } }]\n`,
  );
  const env: Record<string, string | undefined> = {
    ...process.env,
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
    GITHUB_ACTIONS: "true",
    GITHUB_ACTION_PATH: root,
    GITHUB_STEP_SUMMARY: join(folder.path, "summary.md"),
  };
  for (const [name, value] of Object.entries(step.env as Record<string, string>)) {
    env[name] = value.replace(/\$\{\{ inputs\.(\w+) \}\}/, (_, input: string) => given[input] ?? "");
  }
  const ran = await promisify(execFile)("bash", ["-e", "-c", step.run], { cwd: folder.path, env }).catch((error) =>
    error
  );
  expect(ran.code).toBe(1);
  expect(ran.stdout).toContain("::error file=fails.yaml,line=4,title=fails::");
  expect(readFileSync(join(folder.path, "summary.md"), "utf8")).toContain("| ✅ passed | holds |");
  expect(readFileSync(join(folder.path, "skep-report", "junit.xml"), "utf8")).toContain('failures="1"');
}, 60_000);

test("targets in the guide are targets", () => {
  const [text = ""] = blocks("docs/targets.md", "yaml target");
  expect([...parseTargets(text, "docs/targets.md").targets.keys()]).toContain("staging");
  expect(parseTargets(read("docs/targets/process.yaml"), "process.yaml").matrix).toEqual(["process"]);
});
