// Wrong files, wrong flags, addresses and paths that can't be used: one clear message each, code 2, nothing left behind.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { createAuthority } from "../../protocol/pki/ca.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { anyPort, type Cloud, startCloud } from "../support/start.ts";

const folder = workFolder();
afterAll(() => folder.remove());

const write = (name: string, text: string) => {
  writeFileSync(join(folder.path, name), text);
  return name;
};

const nowhere = write(
  "nowhere.yaml",
  `apiVersion: v1
kind: Config
current-context: a
clusters: [{ name: a, cluster: { server: "https://127.0.0.1:1", insecure-skip-tls-verify: true } }]
users: [{ name: a, user: { token: x } }]
contexts: [{ name: a, context: { cluster: a, user: a } }]
`,
);
const scenario = write("one.yaml", "skep: 1\nname: one\nfleet: [{ cohort: gw }]\nsteps: [{ wait: 1ms }]\n");

describe("one clear message and code 2 for", () => {
  const cases: [string, string[], RegExp][] = [
    ["a scenario that isn't there", ["run", "missing.yaml"], /^skep: missing\.yaml:1:1: can't read the file: ENOENT/],
    [
      "an unknown step",
      ["run", write("step.yaml", "skep: 1\nname: x\nsteps: [{ wiat: 1s }]\n")],
      /^skep: step\.yaml:3:11: unknown step "wiat"; steps are apply/,
    ],
    [
      "an unknown field",
      ["run", write("field.yaml", "skep: 1\nname: x\nstesp: []\nsteps: [{ wait: 1s }]\n")],
      /^skep: field\.yaml:3:1: unknown field "stesp"; allowed are/,
    ],
    ["an unknown command", ["rnu"], /unknown command 'rnu'\n\(Did you mean run\?\)/],
    ["an unknown flag", ["run", "--frob"], /unknown option '--frob'/],
    [
      "a number that is none",
      ["run", "--edges", "many"],
      /argument 'many' is invalid. a whole number from 1 to 100000 is needed/,
    ],
    ["a folder in the place of a file", ["check", "."], /can't read the file: it is a folder; name the files in it/],
    ["a limit that is none", ["cloudcore", "--kubeconfig", nowhere, "--node-limit", "abc"], /a whole number from 1 to/],
    ["a token without its cloudcore", ["run", scenario, "--token", "x"], /--token needs --cloudcore too/],
    [
      "a port that can't be one",
      ["fleet", "--cloudcore", "127.0.0.1:99999", "--token", "x"],
      /--cloudcore 127\.0\.0\.1:99999: 99999 is no port; they go from 1 to 65535/,
    ],
    [
      "an address that is not this machine's",
      ["run", scenario, "--bind", "203.0.113.5"],
      /can't listen on 203\.0\.113\.5:\d+: .*\n\s+use an address of this machine with --bind \(SKEP_LISTEN\)/,
    ],
    [
      "reports that can't be written",
      ["run", scenario, "--report", scenario],
      /--report one\.yaml: reports can't be written there/,
    ],
    [
      "a kubeconfig that isn't there",
      ["run", scenario, "--kubeconfig", "missing.yaml"],
      /skep: can't read the kubeconfig missing\.yaml: ENOENT/,
    ],
    [
      "a kubeconfig that leads nowhere",
      ["run", scenario, "--kubeconfig", nowhere],
      /skep: the Kubernetes API at https:\/\/127\.0\.0\.1:1 can't be reached: connect ECONNREFUSED/,
    ],
    [
      "a cluster that leads nowhere",
      ["cloudcore", "--kubeconfig", nowhere, "--port", "0"],
      /skep: the Kubernetes API at https:\/\/127\.0\.0\.1:1 can't be reached/,
    ],
    ["a cloudcore without a cluster", ["cloudcore"], /skep: --config FILE or --kubeconfig FILE is needed/],
    ["a fleet without a cloudcore", ["fleet"], /skep: --cloudcore HOST\[:PORT\] is needed/],
    [
      "a fleet without credentials",
      ["fleet", "--cloudcore", "127.0.0.1"],
      /skep: edges need credentials: SKEP_TOKEN or --token T .* or --certs DIR/,
    ],
    [
      "half a token",
      ["fleet", "--cloudcore", "127.0.0.1:1", "--token", "a.b.c"],
      /skep: the token has 3 parts between dots, not 4/,
    ],
    [
      "a folder without certificates",
      ["fleet", "--cloudcore", "127.0.0.1:1", "--certs", "."],
      /skep: --certs \.: rootCA\.crt and rootCA\.key .* are needed there/,
    ],
  ];
  test.each(cases)("%s", async (_name, args, message) => {
    const { code, out, err } = await skep(folder.path, ...args);
    expect(out + err).toMatch(message);
    expect(code).toBe(2);
    expect(err).not.toContain("    at ");
  });

  test("a requested port that is taken", async () => {
    const taken = createServer();
    const port = await listen(taken, anyPort);
    for (const command of [["run", scenario], ["up"], ["apiserver"]]) {
      const { code, err } = await skep(folder.path, ...command, "--port", String(port));
      expect(err).toContain(`can't listen on 127.0.0.1:${port}: it is in use\n  choose another port with --port`);
      expect(code).toBe(2);
    }
    await closeServer(taken);
  });
});

describe("a cloudcore that refuses", () => {
  let cloud: Cloud;
  beforeAll(async () => void (cloud = await startCloud()));
  afterAll(() => cloud.stop());

  test("the edges' certificate is told with its reason, and code 2", async () => {
    const stranger = await createAuthority("KubeEdge", Date.now());
    mkdirSync(join(folder.path, "certs"), { recursive: true });
    write("certs/rootCA.crt", stranger.certPem);
    write("certs/rootCA.key", stranger.keyPem);
    const { websocket, https } = cloud.core.hub.ports;
    const at = ["--cloudcore", `127.0.0.1:${websocket}`, "--enrolment-port", String(https), "--edges", "2"];
    const { code, err } = await skep(folder.path, "fleet", ...at, "--certs", "certs");
    expect(err).toMatch(/skep: the cloudcore at 127\.0\.0\.1:\d+ refuses the edges: .*(certificate|signature)/i);
    expect(code).toBe(2);
  });

  test("the token too", async () => {
    const { websocket, https } = cloud.core.hub.ports;
    const [hash, , payload, signature] = cloud.core.hub.token.split(".");
    const forged = [hash, "eyJhbGciOiJIUzI1NiJ9", payload, signature].join(".");
    const command = new Command(folder.path, [
      "fleet",
      "--cloudcore",
      `127.0.0.1:${websocket}`,
      "--enrolment-port",
      String(https),
      "--edges",
      "1",
      "--token",
      forged,
    ]);
    const { code, err } = await command.ended();
    expect(err).toMatch(/refuses to sign a certificate for edge-0: token validation failure/);
    expect(code).toBe(2);
  });
});

test("help is there for every command, with an example", async () => {
  for (const command of ["run", "up", "cloudcore", "fleet", "clean", "apiserver"]) {
    const { code, out } = await skep(folder.path, command, "--help");
    expect(out).toMatch(/\nExample:\n {2}skep /);
    expect(code).toBe(0);
  }
});

test("nothing was written but the report's folder", () => {
  expect(readdirSync(folder.path).filter((name) => !name.endsWith(".yaml") && name !== "certs")).toEqual([]);
});
