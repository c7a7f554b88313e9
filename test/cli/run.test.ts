// `skep run` as CI uses it: reports, exit codes, JSON, interruption.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { closeServer } from "../../base/transport/listen.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";

const folder = workFolder();
afterAll(() => folder.remove());

const write = (name: string, text: string) => {
  writeFileSync(join(folder.path, name), text);
  return name;
};
const head = (name: string) => `skep: 1\nname: ${name}\nfleet: [{ cohort: gw, count: 2 }]\n`;
const holds = write("holds.yaml", `${head("holds")}steps: [{ expect: { at: edge/gw-0, match: { ready: true } } }]\n`);
const fails = write(
  "fails.yaml",
  `${
    head("fails")
  }steps:\n  - expect: { at: messages, where: 'hop == "hub.ack" && resource == "null/node/gw-0"', min: 1 }\n  - name: a pod that never is\n    expect: { at: kube, object: { apiVersion: v1, kind: Node, name: gw-0 }, match: { spec: { unschedulable: true } }, within: 100ms }\n`,
);
const skipped = write("skipped.yaml", `${head("can not")}needs: [apiserver-restart]\nsteps: [{ wait: 1ms }]\n`);

const report = (name: string) => readFileSync(join(folder.path, "skep-report", name), "utf8");

describe("skep run", () => {
  test("ends with 0 when all held, says the figure of the first message, and writes its reports", async () => {
    const { code, out } = await skep(folder.path, "run", holds, "--port", "0");
    expect(code).toBe(0);
    expect(out).toMatch(
      /first message acknowledged by an edge \d+ ms after the start of the process \(load \d+ \+ API \d+ \+ certificates \d+ \+ cloudcore \d+ \+ join \d+\)/,
    );
    expect(out).toContain("reports: skep-report/junit.xml  skep-report/report.json");
    expect(out.trimEnd().split("\n").at(-1)).toMatch(/^1 passed, 0 failed, 0 skipped in /);
    expect(JSON.parse(report("report.json"))).toMatchObject({
      format: "skep.report/1",
      scenarios: [{ name: "holds", verdict: "passed" }],
    });
    expect(report("junit.xml")).toContain('<testcase name="holds"');
  });

  test("ends with 1 when one failed, with the difference, the line and how to repeat it", async () => {
    const { code, out } = await skep(folder.path, "run", holds, fails, "--port", "0", "--seed", "5");
    expect(code).toBe(1);
    expect(out).toContain("a pod that never is: Node gw-0 in the API — not within 100 ms (fails.yaml:7)");
    expect(out).toContain("spec.unschedulable: expected true, found nothing");
    expect(out).toMatch(/hub\.(ack|record) +gw-0 +update null\/node\/gw-0 v\d+/);
    expect(out).toContain("repeat it: npm run -s skep -- run fails.yaml --seed 5");
    expect(report("junit.xml")).toContain('failures="1"');
  });

  test("puts the result alone on standard output with --json", async () => {
    const { code, out, err } = await skep(folder.path, "run", holds, "--port", "0", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ format: "skep.report/1", scenarios: [{ verdict: "passed" }] });
    expect(err).toContain("1 passed");
  });

  test("steps around ports that are in use, and leaves none open", async () => {
    const taken = createServer();
    const hasIt = await new Promise((resolve) => {
      taken.once("error", () => resolve(false));
      taken.listen(10000, "127.0.0.1", () => resolve(true));
    });
    const { code } = await skep(folder.path, "run", holds);
    expect(code).toBe(0);
    if (hasIt) await closeServer(taken);
  });

  test("interrupted, stops everything within five seconds, reports what ran, and ends with 130", async () => {
    const slow = write("slow.yaml", `${head("slow")}steps: [{ wait: 60s }]\n`);
    const command = new Command(folder.path, ["run", holds, slow, "--port", "0", "--verbose"]);
    await command.says("[1/2] holds");
    await command.says("    wait 60s");
    const began = performance.now();
    const { code, out } = await command.interrupt();
    expect(performance.now() - began).toBeLessThan(5000);
    expect(code).toBe(130);
    expect(out).toMatch(/1 passed, 0 failed, 1 skipped in .*, interrupted/);
    expect(JSON.parse(report("report.json"))).toMatchObject({
      interrupted: true,
      scenarios: [{ verdict: "passed" }, { verdict: "skipped", reason: "interrupted by SIGINT" }],
    });
  });

  test("interrupted while a step of finally waits, it reports all the same", async () => {
    const never = "expect: { at: edge/gw-0, match: { connected: false }, within: 60s }";
    const slow = write("last.yaml", `${head("last")}steps: [{ wait: 60s }]\nfinally: [{ ${never} }]\n`);
    const command = new Command(folder.path, ["run", slow, "--port", "0", "--verbose"]);
    await command.says("    wait 60s");
    expect((await command.interrupt()).code).toBe(130);
    expect(JSON.parse(report("report.json"))).toMatchObject({ interrupted: true, scenarios: [{ name: "last" }] });
  });

  test("interrupted twice at once, as a terminal does through a launcher, it stops as after one", async () => {
    const slow = write("twice.yaml", `${head("twice")}steps: [{ wait: 60s }]\n`);
    const command = new Command(folder.path, ["run", slow, "--port", "0", "--verbose"]);
    await command.says("    wait 60s");
    command.child.kill("SIGINT");
    // Of two signals that are there at once, either may be heard first.
    expect([130, 143]).toContain((await command.interrupt("SIGTERM")).code);
    expect(JSON.parse(report("report.json"))).toMatchObject({ interrupted: true, scenarios: [{ name: "twice" }] });
  });

  test("stops when npm is told to and dies of it", async () => {
    const slow = write("npm.yaml", `${head("npm")}steps: [{ wait: 60s }]\n`);
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const npm = spawn("npm", [
      "run",
      "-s",
      "skep",
      "--",
      "run",
      join(folder.path, slow),
      "--verbose",
      "--port",
      "0",
      "--report",
      join(folder.path, "npm"),
    ], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let isClosed = false;
    npm.stdout.on("data", (text) => out += text);
    // The pipe closes when the last that holds it is gone, and that is skep itself.
    npm.on("close", () => isClosed = true);
    await until("it runs", () => out.includes("    wait 60s"), 30_000);
    npm.kill("SIGTERM");
    await until("all of it has ended", () => isClosed, 8000);
    expect(JSON.parse(readFileSync(join(folder.path, "npm", "report.json"), "utf8"))).toMatchObject({
      interrupted: true,
    });
  });

  test("terminated, it ends with 143", async () => {
    const slow = write("slow.yaml", `${head("slow")}steps: [{ wait: 60s }]\n`);
    const command = new Command(folder.path, ["run", slow, "--port", "0", "--verbose"]);
    await command.says("    wait 60s");
    expect((await command.interrupt("SIGTERM")).code).toBe(143);
  });

  test("writes its report where it is told to", async () => {
    await skep(folder.path, "run", holds, "--port", "0", "--report", "elsewhere", "--quiet");
    expect(existsSync(join(folder.path, "elsewhere", "junit.xml"))).toBe(true);
  });

  test("all skipped is code 2: nothing could be run", async () => {
    const api = new Command(folder.path, ["apiserver", "--port", "0", "--write-kubeconfig", "kc"]);
    await api.says("ready");
    const { code, out } = await skep(folder.path, "run", skipped, "--kubeconfig", "kc", "--port", "0");
    expect(out).toContain("can not — the cluster of the kubeconfig has no apiserver-restart");
    expect(code).toBe(2);
    await api.interrupt();
  });
});
