// `skep load` as a user runs it: a profile against our cloudcore and against another, its codes, reports and interruptions.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, describe, expect, test } from "vitest";
import { Command, skep, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";

const folder = workFolder();
afterAll(() => folder.remove());

/** A profile of a few seconds that does all there is to do. */
const everything = `skep: 1
name: a bit of everything
fleet: [{ cohort: gw, count: 4, devices: [{ model: meter }] }]
load:
  standing: { podsPerEdge: 1, configmapsPerPod: 1 }
  warmUp: 500ms
  phases:
    - { name: steady, rate: 12, for: 2s }
    - { name: users, users: 3, think: 50ms, jitter: 0.5, for: 1s }
  mix:
    pods: { alive: 200ms }
    restarts: {}
    configmaps: { size: 64, count: 2, edges: 2 }
    reports: {}
    desired: {}
    queries: {}
  thresholds:
    - pod.running p(99) < 20s
    - configmap.acked count > 0
    - desired.applied count > 0
    - report.seen count > 0
    - query.answered count > 0
    - pod.gone count > 0
    - downstream.acked count > 0
    - lost == 0
    - errors == 0
    - edges.ready min == 100%
    - cloudcore.rss < 4GiB
`;
const idle = (more: string, phases = "[{ for: 1s }]") =>
  `skep: 1\nname: idle\nload:\n  edges: 2\n  phases: ${phases}\n${more}`;
const write = (name: string, text: string) => {
  writeFileSync(join(folder.path, name), text);
  return name;
};
const report = (dir: string) => JSON.parse(readFileSync(join(folder.path, dir, "load.json"), "utf8"));

describe("a load run", () => {
  test("does all kinds of operations, judges them, writes reports that keep to their schema, and is compared with an earlier one", async () => {
    write("all.yaml", everything);
    const flow = { flow: "ready", count: 4, mean: 1, values: [0, 0, 0, 0, 0, 0, 0], distribution: [] };
    const earlier = { format: "skep.load/1", name: "a bit of everything", edges: 4, verdict: "passed", startedAt: 0 };
    const counts = { lost: 0, errors: 0, replaced: 0, resends: 0, reconnects: 0 };
    write("earlier.json", JSON.stringify({ ...earlier, flows: [flow], gauges: {}, counts }));
    const args = ["load", "all.yaml", "--report", "all", "--json", "--compare", "earlier.json"];
    args.push("--hubs", "2", "--source-address", "127.0.0.1");
    const { code, err, out } = await skep(folder.path, ...args);
    expect(err).toContain("4 connections, from 2 processes, to 2 hubs, from 1 address;");
    expect(err).toContain("against 2 of our cloudcores");
    expect(err).toContain("4 edges are Ready after");
    expect(err).toContain("passed: 11 thresholds held");
    expect(err).toMatch(/✗ ready p\(50\) +0 → \d+/);
    expect(err).toContain("2 numbers are worse");
    expect(code).toBe(99);
    const result = report("all");
    expect(JSON.parse(out)).toEqual(result);
    const schema = JSON.parse(readFileSync(new URL("../../scenarios/load/load.schema.json", import.meta.url), "utf8"));
    const check = new Ajv({ strict: false }).compile(schema);
    check(result);
    expect(check.errors ?? []).toEqual([]);
    expect(result.phases.map(({ isJudged, name }: { name: string; isJudged: boolean }) => [name, isJudged])).toEqual([
      ["1 warm-up", false],
      ["2 steady", true],
      ["3 users", true],
    ]);
    // The open phase alone has 24, the users make more.
    expect(result.flows.find(({ flow }: { flow: string }) => flow === "api.call").count).toBeGreaterThan(10);
    expect(readFileSync(join(folder.path, "all", "load-junit.xml"), "utf8")).toContain('tests="11" failures="0"');
    expect(readFileSync(join(folder.path, "all", "load.html"), "utf8")).toContain(
      "<title>skep load: a bit of everything",
    );
  });

  test("whose threshold is crossed ends with 99, at once where it says so", async () => {
    write(
      "slow.yaml",
      idle("  thresholds: [ready max < 1ms, { that: edges.ready > 5, abortAfter: 1s }]\n", "[{ for: 5m }]"),
    );
    const { code, out } = await skep(folder.path, "load", "slow.yaml", "--report", "slow");
    expect(out).toContain("✗ ready max < 1ms");
    expect(out).toContain("ended early: edges.ready > 5 was crossed");
    expect(code).toBe(99);
    expect(report("slow").verdict).toBe("crossed");
  });

  test("kills and restarts a part of its target; interrupted, it ends with 130 and reports what ran", async () => {
    write("long.yaml", idle("", "[{ for: 10m, restart: api }]"));
    const run = new Command(folder.path, ["load", "long.yaml", "--report", "long"]);
    await run.says(/the api was killed and is ready again after \d+ ms/, 60_000);
    const { code, out } = await run.interrupt();
    expect(code).toBe(130);
    expect(out).toContain("interrupted: what follows is of what ran");
    expect(report("long")).toMatchObject({
      verdict: "interrupted",
      edges: 2,
      phases: [{ hasFault: true }],
      counts: { reconnects: 0 },
      gauges: { "edges.ready": { last: 2 } },
    });
  });

  test("has the faults of a phase while that lasts, and no longer, whatever a fault says itself", async () => {
    const phases = "[{ rate: 4, for: 1s, faults: [{ latency: 500ms, for: 10m }] }, { rate: 4, for: 4s }]";
    write("faults.yaml", idle("  mix: { queries: {} }\n", phases));
    const { code, err, out } = await skep(folder.path, "load", "faults.yaml", "--report", "faults");
    expect(code, out + err).toBe(0);
    const { flows, phases: ran } = report("faults");
    expect(ran.map(({ hasFault }: { readonly hasFault: boolean }) => hasFault)).toEqual([true, false]);
    const { values } = flows.find(({ flow }: { readonly flow: string }) => flow === "query.answered");
    // Half a second each way, for those of the first phase; most were asked afterwards.
    expect(values.at(-1)).toBeGreaterThanOrEqual(1000);
    expect(values[0]).toBeLessThan(500);
  });

  test("serves its numbers for Prometheus, and searches a limit", async () => {
    write("limit.yaml", idle("  thresholds: [edges < 3]\n").replace("edges: 2", "edges: 1").replace("< 3", "< 2"));
    const run = new Command(folder.path, [
      "load",
      "limit.yaml",
      "--report",
      "limit",
      "--metrics-port",
      "0",
      "--ramp-to-limit",
    ]);
    const url = /http:\S+/.exec(await run.says(/metrics: http:\S+\n/))?.[0] ?? "";
    let metrics = "";
    await until("the metrics show Ready edges", async () => {
      metrics = await (await fetch(url)).text();
      return /^skep_load_edges_ready 1$/m.test(metrics);
    }, 60_000);
    expect(metrics).toContain("# HELP skep_load_cloudcore_rss memory of the cloudcore");
    const { code, out } = await run.ended();
    expect(out).toContain("limit: 1 edges held; 2 broke: edges < 2 (2)");
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(join(folder.path, "limit", "limit.json"), "utf8"))).toMatchObject({
      held: 1,
      broke: 2,
    });
  }, 120_000);
});

describe("against a cloudcore that runs already", () => {
  test("it measures edges and API, and leaves nothing behind", async () => {
    const api = new Command(folder.path, ["apiserver", "--port", "0", "--write-kubeconfig", "kubeconfig"]);
    await api.says("ready");
    const core = new Command(folder.path, ["cloudcore", "--kubeconfig", "kubeconfig", "--port", "0", "--json"]);
    await core.says('"ready":true');
    const { enrolment, websocket } = JSON.parse(core.out.split("\n")[0] ?? "") as Record<string, string>;
    const port = (url = "") => url.split(":").at(-1) ?? "";
    try {
      write(
        "pods.yaml",
        `${
          idle("  thresholds: [pod.running count > 0, lost == 0]\n", "[{ rate: 5, for: 1s }]")
        }  mix: { pods: { alive: 100ms } }\n`,
      );
      const { KubeClient } = await import("../../cloud/kube/client.ts");
      const { loadKubeConfig } = await import("../../cloud/kube/kubeconfig.ts");
      const { resources } = await import("../../cloud/kube/resource.ts");
      const kube = new KubeClient(loadKubeConfig(join(folder.path, "kubeconfig")));
      const secret = await kube.get({ resource: resources.secrets, namespace: "kubeedge", name: "tokensecret" });
      const token = Buffer.from((secret.data as { tokendata: string }).tokendata, "base64").toString();
      const args = ["load", "pods.yaml", "--report", "foreign", "--kubeconfig", "kubeconfig", "--cloudcore"];
      const run = new Command(
        folder.path,
        [
          ...args,
          `127.0.0.1:${port(websocket)}`,
          "--enrolment-port",
          port(enrolment),
          "--pid",
          `cloudcore=${core.child.pid}`,
        ],
        { SKEP_TOKEN: token },
      );
      const { code, out } = await run.ended();
      expect(out).toContain("passed: 2 thresholds held");
      expect(code).toBe(0);
      const { flows, gauges } = report("foreign");
      expect(gauges["cloudcore.rss"].max).toBeGreaterThan(1e6);
      // What only our own cloudcore's process tells is not there.
      expect(flows.some(({ flow }: { flow: string }) => flow === "downstream.acked")).toBe(false);
      await until("its nodes and its namespace are gone", async () => {
        const nodes = await kube.list(resources.nodes);
        const namespaces = await kube.list(resources.namespaces);
        return nodes.items.length === 0 &&
          !namespaces.items.some(({ metadata }) => metadata.name.startsWith("skep-load-"));
      });
      await kube.close();
    } finally {
      await core.interrupt("SIGTERM");
      await api.interrupt("SIGTERM");
    }
  });
});

describe("before it starts", () => {
  test("it says what it would do, and with --dry-run ends there", async () => {
    const { code, out } = await skep(folder.path, "load", "hub-alone", "--scale", "0.1", "--dry-run");
    expect(out).toContain("50 connections");
    expect(out).toMatch(/at most \d+ messages\/s up \(keepalives 3.3, leases 5, .*queries/);
    expect(code).toBe(0);
    expect(existsSync(join(folder.path, "skep-report"))).toBe(false);
  });

  test("it refuses with 2 what can't be run, and says what to do", async () => {
    write("wrong.yaml", "skep: 1\nname: wrong\nload:\n  edges: 2\n");
    const refusals: readonly (readonly [readonly string[], string | RegExp])[] = [
      [["nothing"], "there is no load profile nothing; shipped are join, create-devices"],
      [["deploy", "--edges", "90000", "--dry-run"], /descriptors|local ports|GB of memory/],
      [["deploy", "--duration", "soon"], '--duration: "soon" is no duration'],
      [["deploy", "--cloudcore", "127.0.0.1"], "--cloudcore needs --kubeconfig too"],
      [["deploy", "--compare", "none.json"], "can't read the report none.json"],
      [["wrong.yaml"], 'wrong.yaml:4:3: "phases" is missing'],
    ];
    await Promise.all(refusals.map(async ([args, message]) => {
      const { code, err } = await skep(folder.path, "load", ...args);
      expect(err).toMatch(message);
      expect(code).toBe(2);
    }));
  });

  test("list names the profiles, check reads one, and run tells what it is for", async () => {
    expect((await skep(folder.path, "list", "--load")).out).toMatch(
      /^reconnect-storm +500 edges, +120 s {2}all edges lose/m,
    );
    write("all.yaml", everything);
    expect((await skep(folder.path, "check", "all.yaml")).out).toBe("all.yaml: a load profile\n");
    const { code, err } = await skep(folder.path, "run", "all.yaml");
    expect(err).toContain("this is a load profile: make it with skep load all.yaml");
    expect(code).toBe(2);
  });
});
