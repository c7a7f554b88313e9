// Targets as files describe them: what is taken, and how a wrong one is refused.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseTargets } from "../../../../scenarios/targets/description.ts";
import { findTarget, knownTargets, nearestTargetsFile } from "../../../../scenarios/targets/find.ts";
import { optionsOf } from "../../../../scenarios/targets/open.ts";
import { traitsOf } from "../../../../scenarios/targets/traits.ts";
import { silentLogger } from "../../../../base/log/logger.ts";

const many = `skep: 1
targets:
  process: { cloudcore: { ours: process }, timeScale: 5 }
  staging:
    kubernetes: { kubeconfig: cluster/kubeconfig, context: staging }
    cloudcore: { host: 192.0.2.10, port: 11000, token: { env: SKEP_TEST_TOKEN } }
    patience: 20
    timings: { heartbeat: 5s, ackRetry: 1s }
    without: [link-faults]
  go: { cloudcore: { go: ./bin/cloudcore } }
matrix: [embedded, go]
`;

/** A folder with these files. */
function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "skep-targets-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

describe("a skep.yaml", () => {
  test("names targets, and those that are compared", () => {
    const { matrix, targets } = parseTargets(many, "skep.yaml");
    expect([...targets.keys()]).toEqual(["process", "staging", "go"]);
    expect(matrix).toEqual(["embedded", "go"]);
    expect(targets.get("process")).toMatchObject({ kubernetes: "embedded", edges: "ours", timeScale: 5 });
    expect(targets.get("staging")?.position).toMatchObject({ file: "skep.yaml", line: 5 });
  });

  test.each([
    ["skep: 1\ntargets: { A: {} }\n", /targets/],
    [
      "skep: 1\ntargets: { a: { cluster: x } }\n",
      /^skep\.yaml:2:17: unknown field "cluster"; allowed are kubernetes, cloudcore, edges/,
    ],
    ["skep: 1\ntargets: { a: { patience: 0 } }\n", /^skep\.yaml:2:27: patience must be >= 0.1, found 0/],
    ["skep: 1\ntargets: { a: {} }\nmatrix: [a, b]\n", /^skep\.yaml:3:13: there is no target b; there are a/],
    ["skep: 2\ntargets: { a: {} }\n", /skep must be 1, found 2/],
    ["skep: 1\ntargets: { a: { cloudcore: { host: h } } }\n", /has a cluster: say kubernetes: \{ kubeconfig: FILE \}/],
    [
      "skep: 1\ntargets: { a: { edges: { nodes: { gw: x=y } } } }\n",
      /Nodes that are there are in a cluster/,
    ],
    [
      "skep: 1\ntargets: { a: { kubernetes: { kubeconfig: k }, edges: { nodes: { gw: x=y } } } }\n",
      /connected to a cloudcore that runs already/,
    ],
    [
      "skep: 1\ntargets: { a: { cloudcore: { go: g }, timeScale: 10 } }\n",
      /the timers of a cloudcore that is not skep's can't be divided/,
    ],
    [
      "skep: 1\ntargets: { a: { edges: { edgecore: e }, timeScale: 10 } }\n",
      /^skep\.yaml:2:52: the timers of a real edgecore can't be divided/,
    ],
    ["", /describes no target/],
    ["skep", /must be object, found "skep"/],
    ["skep: 1\n---\nskep: 1\n", /one YAML document/],
  ])("%j is refused with its place", (text, message) => {
    expect(() => parseTargets(text, "skep.yaml")).toThrow(message);
  });

  test("is found in a folder above, and its targets by their names", async () => {
    const folder = folderWith({ "skep.yaml": many });
    const inner = join(folder, "a", "b");
    mkdirSync(inner, { recursive: true });
    expect(nearestTargetsFile(inner)).toBe(join(folder, "skep.yaml"));
    expect([...(await knownTargets(inner)).targets.keys()]).toEqual(["process", "staging", "go", "embedded"]);
    expect((await findTarget("process", inner)).cloudcore).toEqual({ ours: "process" });
    await expect(findTarget("prod", inner)).rejects.toThrow(
      /there is no target prod: .*skep\.yaml has process, staging, go, embedded/,
    );
  });

  test("a file with one target is a target, called as the file is", async () => {
    const folder = folderWith({ "remote.yaml": "skep: 1\ncloudcore: { ours: process }\n" });
    expect(await findTarget("./remote.yaml", folder)).toMatchObject({ name: "remote", cloudcore: { ours: "process" } });
    await expect(findTarget("./other.yaml", folder)).rejects.toThrow("there is no file ./other.yaml");
    expect((await findTarget("embedded", folder)).kubernetes).toBe("embedded");
  });
});

describe("what a description comes to", () => {
  const described = (name: string, text = many) => {
    const found = parseTargets(text, "/project/skep.yaml").targets.get(name);
    if (found === undefined) throw new Error(`no target ${name}`);
    return found;
  };
  const capabilitiesOf = async (name: string, text = many) =>
    traitsOf({ ...await optionsOf(described(name, text)), logger: silentLogger, bind: "127.0.0.1" });

  test("paths are the file's, and timers and secrets are read", async () => {
    process.env.SKEP_TEST_TOKEN = "the.token";
    onTestFinished(() => void delete process.env.SKEP_TEST_TOKEN);
    expect(await optionsOf(described("staging"))).toMatchObject({
      kubeconfig: "/project/cluster/kubeconfig",
      context: "staging",
      timeScale: 1,
      timings: { heartbeat: 5000, ackRetry: 1000 },
      cloudcore: { runs: "elsewhere", address: { host: "192.0.2.10", websocketPort: 11000, token: "the.token" } },
    });
    expect((await optionsOf(described("go"))).cloudcore).toEqual({ runs: "go", program: "/project/bin/cloudcore" });
  });

  test("a token that is not there is an error that says where it was looked for, and never what it is", async () => {
    await expect(optionsOf(described("staging"))).rejects.toThrow(
      /the target staging \(\/project\/skep\.yaml:5:5\): its token is in the variable SKEP_TEST_TOKEN, which is empty/,
    );
  });

  test("real edges are a program beside the file, and are looked at through the API alone", async () => {
    const text = "skep: 1\ntargets: { real: { edges: { edgecore: bin/edgecore, runtime: /run/c.sock } } }\n";
    const options = await optionsOf(described("real", text));
    expect(options.timeScale).toBe(1);
    expect(options.edgecore).toEqual({ edgecore: "/project/bin/edgecore", isImage: false, runtime: "/run/c.sock" });
    const { capabilities, patience } = await capabilitiesOf("real", text);
    expect(patience).toBe(15);
    expect([...capabilities]).toContain("pods");
    expect([...capabilities]).not.toContain("edge-stores");
  });

  test("with other people's programs less can be shown, and more patience is needed", async () => {
    const go = await capabilitiesOf("go");
    expect(go.patience).toBe(15);
    expect([...go.capabilities]).toEqual(expect.arrayContaining(["cloudcore-restart", "cloudcore-kill", "enrolment"]));
    expect([...go.capabilities]).not.toContain("cloud-messages");
    expect([...go.capabilities]).not.toContain("cloudcore-replicas");
    const three = await capabilitiesOf("go", many.replace("go: ./bin/cloudcore", "go: ./bin/cloudcore, replicas: 3"));
    expect([...three.capabilities]).toContain("cloudcore-replicas");
    const own = await capabilitiesOf("process");
    expect(own.patience).toBe(1);
    expect([...own.capabilities]).toContain("cloud-messages");
    const changed = many.replace("timeScale: 5", "without: [pods], with: [exec], patience: 3");
    const described = await capabilitiesOf("process", changed);
    expect(described.patience).toBe(3);
    expect([...described.capabilities]).not.toContain("pods");
  });
});
