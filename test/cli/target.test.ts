// Targets, as a person uses them: looked at, checked, run on, compared; what runs leave in a cluster of others, and how it is removed.
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { runLabel } from "../../scenarios/model/run-label.ts";
import { leftOvers } from "../../scenarios/targets/leftovers.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { root } from "../support/pages.ts";
import { until } from "../support/until.ts";

const folder = workFolder();
const write = (name: string, text: string) => {
  writeFileSync(join(folder.path, name), text);
  return name;
};
const run = (...args: string[]) => skep(folder.path, ...args);
const json = (name: string) => JSON.parse(readFileSync(join(folder.path, name), "utf8"));

const pod = (name: string, edge: string) =>
  `{ apiVersion: v1, kind: Pod, metadata: { name: ${name} }, spec: { nodeName: ${edge}, containers: [{ name: c, image: "i:1" }] } }`;
const flow = write(
  "flow.yaml",
  `skep: 1
name: a pod runs
fleet: [{ cohort: gw, count: 2 }]
steps:
  - apply: ${pod("web", "gw-0")}
  - expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: web }, match: { status: { phase: Running } }, within: 10s }
`,
);
const needy = write("needy.yaml", "skep: 1\nname: needs much\nneeds: [csi]\nsteps: [{ wait: 1ms }]\n");
const long = write(
  "long.yaml",
  `skep: 1\nname: stays long\nfleet: [{ cohort: gw, count: 2 }]\nsteps:\n  - apply: ${
    pod("web", "gw-1")
  }\n  - wait: 60s\n`,
);

let api: Command;
let kube: KubeClient;
beforeAll(async () => {
  api = new Command(folder.path, ["apiserver", "--port", "0", "--write-kubeconfig", "kubeconfig", "--rbac"]);
  await api.says("\nready\n");
  kube = new KubeClient(loadKubeConfig(join(folder.path, "kubeconfig")));
  write(
    "skep.yaml",
    `skep: 1
targets:
  process: { cloudcore: { ours: process } }
  cluster: { kubernetes: { kubeconfig: kubeconfig }, timeScale: 10, patience: 2 }
  nowhere: { cloudcore: { go: ./no-such-program } }
matrix: [embedded, process]
`,
  );
}, 60_000);
afterAll(async () => {
  await kube.close();
  await api.interrupt();
  folder.remove();
});

/** Everything with the label of a run. */
const left = async () => (await leftOvers(kube)).map(({ ref }) => `${ref.resource.plural}/${ref.name}`);

describe("skep target", () => {
  test("lists the targets of skep.yaml", async () => {
    const { code, out } = await run("target", "list");
    expect(code).toBe(0);
    expect(out).toMatch(/^process +kubernetes embedded, cloudcore \{"ours":"process"\}, edges ours {2}\[matrix\]$/m);
    expect(out).toMatch(/^embedded +kubernetes embedded, cloudcore ours, edges ours {2}\[matrix\]$/m);
    expect((await run("check", "skep.yaml")).out).toBe("skep.yaml: 3 targets\n");
    const listed = JSON.parse((await run("target", "list", "--json")).out);
    expect(listed.targets.map(({ name }: { name: string }) => name)).toContain("cluster");
  });

  test("check starts it, says what it can do and what would be skipped, and leaves nothing", async () => {
    const { code, out } = await run("target", "check", "cluster");
    expect(out).toMatch(/^✓ pods +pods run on its edges$/m);
    expect(out).toMatch(/^– apiserver-restart +its API server can be restarted$/m);
    expect(out).toMatch(/^\d+ of \d+ scenarios of the library would be skipped:$/m);
    expect(out).toMatch(/the API server restarts while .*: it has no apiserver-restart/);
    expect(out).toMatch(/✓ an edge was at home there after \d+\.\d s, and is gone again/);
    expect(code).toBe(0);
    expect(await left()).toEqual([]);
  }, 30_000);

  test("check ends with 1 where it can't be started, and says why", async () => {
    const { code, out } = await run("target", "check", "nowhere");
    expect(code).toBe(1);
    expect(out).toMatch(/✗ .*no-such-program can't be started: .*ENOENT/);
  });
});

describe("skep run --target", () => {
  test("runs there, and names the target; what it lacks is skipped, or failed with --fail-on-skip", async () => {
    const { code, out } = await run("run", flow, needy, "--target", "process");
    expect(out).toContain("2 scenarios on process,");
    expect(out).toContain("– [2/2] needs much — process has no csi");
    // Its cloudcore has a process of its own, whose queues and sockets are seen all the same.
    expect(out).not.toContain("not judged");
    expect(code).toBe(0);
    expect(json("skep-report/report.json")).toMatchObject({ target: "process", notJudged: [] });
    expect((await run("run", flow, needy, "--target", "process", "--fail-on-skip")).code).toBe(1);
    expect((await run("run", needy, "--target", "process")).code).toBe(2);
  }, 60_000);

  test("what can't be meant ends with 2 and a reason", async () => {
    const wrong: readonly (readonly [string[], RegExp])[] = [
      [["--target", "prod"], /there is no target prod: .*skep\.yaml has process, cluster, nowhere, embedded/],
      [["--target", "process", "--kubeconfig", "kubeconfig"], /--target says where to run: leave --kubeconfig out$/m],
      [["--context", "other"], /--context is one of a --kubeconfig/],
      [["--kubeconfig", "kubeconfig", "--context", "other"], /has no context other; it has skep/],
      [["--target", "nowhere"], /no-such-program can't be started.*\n.*SKEP_FOREIGN_CLOUDCORE/],
      [["--target", "cluster", "--parallel", "2"], /--parallel: on a cluster/],
    ];
    const ended = await Promise.all(wrong.map(([flags], i) => run("run", flow, ...flags, "--report", `wrong-${i}`)));
    for (const [i, { code, err }] of ended.entries()) {
      expect(err).toMatch(wrong[i]?.[1] as RegExp);
      expect(code).toBe(2);
    }
  }, 30_000);
});

describe("a program that is started as a cloudcore", () => {
  test("may be started several times behind one address; a scenario that wants more is told so", async () => {
    mkdirSync(join(folder.path, "several"));
    // Under this name skep takes KubeEdge's own arguments.
    symlinkSync(join(root, "bin", "skep.mjs"), join(folder.path, "several", "cloudcore"));
    write("several/skep.yaml", "skep: 1\ntargets: { several: { cloudcore: { go: ./cloudcore, replicas: 2 } } }\n");
    write(
      "several/three.yaml",
      "skep: 1\nname: wants three\ncloudcore: { replicas: 3 }\nsteps: [{ wait: 1ms }]\n",
    );
    write(
      "several/two.yaml",
      `skep: 1
name: two serve
cloudcore: { replicas: 2 }
fleet: [{ cohort: gw, count: 2 }]
steps:
  - apiserver: { latency: 1ms, for: 10ms }
  - { each: gw, apply: { apiVersion: v1, kind: Pod, metadata: { name: p-$EDGE }, spec: { nodeName: $EDGE, containers: [{ name: c, image: "i:1" }] } } }
  - { each: gw, expect: { at: edge/$EDGE, match: { pods: { running: 1 } }, within: 20s } }
`,
    );
    const flags = ["--target", "several/skep.yaml", "--report", "several/report"];
    const { code, out } = await run("run", "several/two.yaml", "several/three.yaml", ...flags);
    expect(out).toMatch(/✓ \[1\/2\] two serve/);
    expect(out).toContain("3 cloudcores are wanted, and this target has 2");
    expect(code).toBe(1);
  }, 120_000);
});

describe("skep matrix", () => {
  test("runs the same on several targets, and writes one table", async () => {
    const { code, out } = await run("matrix", flow, needy, "--report", "compared");
    expect(code).toBe(0);
    expect(out).toMatch(/^scenario +embedded +process$/m);
    expect(out).toMatch(/^a pod runs +✓ \d+↑ \d+↓ .* +✓ \d+↑ \d+↓ /m);
    expect(out).toContain("process: skipped: process has no csi");
    const found = json("compared/matrix.json");
    const schema = JSON.parse(
      readFileSync(new URL("../../scenarios/matrix/matrix.schema.json", import.meta.url), "utf8"),
    );
    const check = new Ajv({ strict: false }).compile(schema);
    check(found);
    expect(check.errors).toBeNull();
    expect(found.scenarios[0].cells.map(({ verdict }: { verdict: string }) => verdict)).toEqual(["passed", "passed"]);
    expect(readFileSync(join(folder.path, "compared", "matrix.md"), "utf8")).toMatch(
      /^\| scenario \| embedded \| process \|$/m,
    );
    expect(existsSync(join(folder.path, "compared", "process", "junit.xml"))).toBe(true);
  }, 60_000);

  test("needs two targets", async () => {
    const { code, err } = await run("matrix", flow, "--targets", "process");
    expect(code).toBe(2);
    expect(err).toContain("two targets are needed at least");
  });
});

describe("on a cluster of others", () => {
  test("the rights of `skep target rbac` are enough, and no more are needed than they say", async () => {
    const { out } = await run("target", "rbac");
    write("rbac.yaml", `skep: 1\nname: rights\nsteps: [{ wait: 1ms }]\n`);
    const { parseAllDocuments } = await import("yaml");
    for (const document of parseAllDocuments(out)) {
      const object = document.toJS();
      await kube.create(await kube.resourceOf(object), object);
    }
    const ref = { resource: resources.serviceaccounts, namespace: "skep", name: "skep" };
    const answer = await kube.createSub(ref, "token", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { expirationSeconds: 3600 },
    });
    const { token } = (answer as unknown as { status: { token: string } }).status;
    const admin = readFileSync(join(folder.path, "kubeconfig"), "utf8");
    write("limited", admin.replace(/token: .*/, `token: ${token}`));
    const limited = new KubeClient(loadKubeConfig(join(folder.path, "limited")));
    try {
      // It is really another one.
      await expect(
        limited.list(await kube.resourceOf({ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole" })),
      )
        .rejects.toThrow(/forbidden/);
    } finally {
      await limited.close();
    }
    const ran = await run("run", flow, "--kubeconfig", "limited", "--time-scale", "10");
    expect(ran.out).toMatch(/1 passed, 0 failed, 0 skipped/);
    expect(ran.code).toBe(0);
    expect(await left()).toEqual([]);
  }, 60_000);

  test("two runs at once don't meet, each under a label of its own, and both leave nothing", async () => {
    // Long enough to meet, however slowly one of them begins.
    const slow = write(
      "slow.yaml",
      readFileSync(join(folder.path, flow), "utf8").replace("a pod runs", "slow") + "  - wait: 8s\n",
    );
    const runs = [1, 2].map((n) =>
      new Command(folder.path, ["run", slow, "--target", "cluster", "--report", `both-${n}`])
    );
    await until("both are there", async () => {
      const { items } = await kube.list(resources.nodes, { labelSelector: runLabel });
      return new Set(items.map(({ metadata }) => metadata.labels?.[runLabel])).size === 2;
    }, 30_000);
    for (const ended of await Promise.all(runs.map((each) => each.ended()))) {
      expect(ended.out).toMatch(/1 passed, 0 failed/);
    }
    const [one, other] = [1, 2].map((n) => json(`both-${n}/report.json`).run);
    expect(one).toMatch(/^[0-9a-f]{10}$/);
    expect(one).not.toBe(other);
    expect(await left()).toEqual([]);
  }, 90_000);

  test("after Ctrl-C nothing is left", async () => {
    const command = new Command(folder.path, ["run", long, "--target", "cluster"]);
    await until("it has begun", async () => (await left()).some((name) => name.startsWith("pods/")), 30_000);
    expect((await command.interrupt()).code).toBe(130);
    expect(await left()).toEqual([]);
  }, 60_000);

  test("after a kill `skep clean` removes what is left of that run, and of no other", async () => {
    const command = new Command(folder.path, ["run", long, "--target", "cluster"]);
    await until("it has begun", async () => (await left()).some((name) => name.startsWith("pods/")), 30_000);
    await command.interrupt("SIGKILL");
    const [found] = await leftOvers(kube);
    const other = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "o", namespace: "default", labels: { [runLabel]: "other" } },
    };
    await kube.create(resources.configmaps, other);
    const dry = await run("clean", "--kubeconfig", "kubeconfig", "--run", found?.run ?? "", "--dry-run");
    expect(dry.out).toMatch(/^would remove .*2 nodes/);
    const cleaned = await run("clean", "--kubeconfig", "kubeconfig", "--run", found?.run ?? "");
    expect(cleaned.out).toMatch(new RegExp(`^removed .*1 namespaces.* of ${found?.run}$`, "m"));
    expect(cleaned.code).toBe(0);
    expect(await left()).toEqual(["configmaps/o"]);
    expect((await run("clean", "--kubeconfig", "kubeconfig", "--older-than", "1h")).out).toMatch(/^removed nothing/);
    await until("a second has passed", async () => {
      const { out } = await run("clean", "--kubeconfig", "kubeconfig", "--older-than", "1s");
      return /^removed 1 configmaps of other$/m.test(out);
    });
    expect(await left()).toEqual([]);
  }, 90_000);

  test(
    "with real edges a scenario runs on Nodes that are there; what must be seen at an edge, or needs more of them, is skipped",
    async () => {
      const up = new Command(folder.path, [
        "up",
        "--kubeconfig",
        "kubeconfig",
        "--port",
        "0",
        "--edges",
        "2",
        "--time-scale",
        "10",
      ]);
      await up.says("\nready\n");
      write(
        "plant.yaml",
        `skep: 1
kubernetes: { kubeconfig: kubeconfig }
cloudcore: { host: 127.0.0.1 }
edges: { nodes: { gw: node-role.kubernetes.io/edge } }
`,
      );
      const cut = write(
        "cut.yaml",
        "skep: 1\nname: a cut\nfleet: [{ cohort: gw, count: 1 }]\nsteps: [{ fault: { edge: gw-0, cut: both } }]\n",
      );
      const three = write(
        "three.yaml",
        "skep: 1\nname: three\nfleet: [{ cohort: gw, count: 3 }]\nsteps: [{ wait: 1ms }]\n",
      );
      const each = write(
        "each.yaml",
        `skep: 1
name: on each
fleet: [{ cohort: gw, count: 2 }]
steps:
  - { each: gw, apply: ${pod("p-$EDGE", "$EDGE")} }
  - repeat:
      times: 2
      steps:
        - expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: p-gw-$i }, match: { status: { phase: Running } }, within: 10s }
`,
      );
      const { code, out } = await run("run", flow, each, cut, three, "--target", "./plant.yaml");
      await up.interrupt();
      expect(out).toMatch(/✓ \[1\/4\] a pod runs/);
      expect(out).toMatch(/✓ \[2\/4\] on each/);
      expect(out).toContain("a cut — plant has no link-faults");
      expect(out).toContain("not judged on this target: each edge holds what the API says it should; ");
      expect(out).toContain(
        "three — the cohort gw needs 3 Nodes with node-role.kubernetes.io/edge; 2 are free and Ready",
      );
      expect(code).toBe(0);
      expect((await kube.list(resources.nodes)).items.map(({ metadata }) => metadata.name)).toEqual([
        "edge-0",
        "edge-1",
      ]);
      expect(await left()).toEqual([]);
    },
    60_000,
  );
});
