// What a scenario names and can't be used: `skep check` says where, `skep run` runs the others.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { skep, workFolder } from "../support/command.ts";

const folder = workFolder();
afterAll(() => folder.remove());

const write = (name: string, text: string) => {
  writeFileSync(join(folder.path, name), text);
  return name;
};
const scenario = (name: string, rest: string) => write(`${name}.yaml`, `skep: 1\nname: ${name}\n${rest}\n`);
const stage = (key: string) =>
  `apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: { name: completes }
spec:
  resourceRef: { apiGroup: v1, kind: Pod }
  selector:
    matchExpressions:
    - { key: '${key}', operator: In, values: ["True"] }
  next: { patch: { status: { phase: Succeeded } } }
`;
write("jq.yaml", stage('.status.conditions.[] | select( .type == "Ready" ) | .status'));
write("brackets.yaml", stage(".spec.containers[].name"));
write(
  "list.yaml",
  "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: { name: listed }\n",
);
write("nameless.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {}\n");
write("broken-manifest.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a\n");
write("no-function.ts", "export const nothing = 1;\n");
write("values.csv", "a,b\n1,2\n");

const innocent = scenario("innocent", "fleet: [{ cohort: gw }]\nsteps: [{ wait: 1ms }]");
const fleet = (rest: string) => `fleet: [{ cohort: gw, ${rest} }]\nsteps: [{ wait: 1ms }]`;
const device = (rest: string) => fleet(`devices: [{ model: thermometer, values: { temperature: ${rest} } }]`);
const steps = (step: string) => `fleet: [{ cohort: gw }]\nsteps:\n  - ${step}`;

/** Each: what is wrong, and how the line begins that says so. */
const cases: readonly (readonly [name: string, text: string, line: RegExp])[] = [
  ["stage-key", fleet("stages: [jq]"), /^jq\.yaml:8:\d+: stage completes: the key \.status\.conditions/],
  [
    "stage-brackets",
    fleet("stages: [brackets]"),
    /^brackets\.yaml:8:\d+: stage completes: the key \.spec\.containers\[\]/,
  ],
  [
    "stage-missing",
    fleet("stages: [nosuch]"),
    /^stage-missing\.yaml:3:\d+: there is no stage nosuch: nosuch\.yaml is not/,
  ],
  ["stage-no-stage", fleet("stages: [list]"), /^list\.yaml:5:\d+: it is a ConfigMap; files of stages hold kind: Stage/],
  ["model-missing", fleet("devices: [{ model: nosuch }]"), /^model-missing\.yaml:3:\d+: there is no model nosuch: /],
  [
    "model-no-model",
    fleet("devices: [{ model: list }]"),
    /^model-no-model\.yaml:3:\d+: .*holds no DeviceModel|^list\.yaml:1:1/,
  ],
  [
    "table-missing",
    device("{ csv: { file: no.csv, column: a } }"),
    /^table-missing\.yaml:3:\d+: can't read the table no\.csv/,
  ],
  [
    "table-column",
    device("{ csv: { file: values.csv, column: c } }"),
    /^table-column\.yaml:3:\d+: .*has no column c; it has a, b/,
  ],
  [
    "property",
    fleet("devices: [{ model: thermometer, values: { nosuch: { constant: 1 } } }]"),
    /has no nosuch; it has temp/,
  ],
  ["module-missing", steps("run: nosuch.ts"), /^module-missing\.yaml:5:5: there is no module nosuch\.ts/],
  ["module-empty", steps("run: ./no-function.ts"), /^module-empty\.yaml:5:5: no-function\.ts has no function as its/],
  [
    "manifest-missing",
    steps("apply: nosuch.yaml"),
    /^manifest-missing\.yaml:5:5: can't read the manifest nosuch\.yaml/,
  ],
  ["manifest-broken", steps("apply: broken-manifest.yaml"), /^broken-manifest\.yaml:\d+:\d+: the manifest is not YAML/],
  ["manifest-nameless", steps("apply: nameless.yaml"), /^nameless\.yaml:4:3: .*no Kubernetes object: metadata\.name/],
  [
    "inside-repeat",
    steps("repeat: { times: 1, steps: [{ delete: nosuch.yaml }] }"),
    /^inside-repeat\.yaml:5:\d+: can't read/,
  ],
  [
    "in-finally",
    "fleet: [{ cohort: gw }]\nsteps: [{ wait: 1ms }]\nfinally: [{ apply: no.yaml }]",
    /^in-finally\.yaml:5:\d+: can't/,
  ],
];

describe("skep check", () => {
  test("names file, line and column of everything that a run would read in vain, and ends with 2", async () => {
    const files = cases.map(([name, text]) => scenario(name, text));
    const { code, err, out } = await skep(folder.path, "check", ...files, innocent);
    expect(code).toBe(2);
    expect(out).toBe("innocent.yaml: 1 scenario\n");
    const lines = err.trimEnd().split("\n").map((line) => line.replace(/^skep: /, ""));
    expect(lines).toHaveLength(cases.length);
    for (const [i, [, , line]] of cases.entries()) expect(lines[i]).toMatch(line);
  });

  test("takes files of cohorts, lists taken apart, and names that only a run knows", async () => {
    const cohorts = write("cohorts.yaml", "fleet:\n- { cohort: a, count: 2 }\n- { cohort: b, stages: [completing] }\n");
    const good = scenario("good", `${steps("apply: list.yaml")}\n  - apply: $FILE`);
    const { code, err, out } = await skep(folder.path, "check", cohorts, good);
    expect([code, err, out]).toEqual([0, "", "cohorts.yaml: 2 cohorts\ngood.yaml: 1 scenario\n"]);
    const wrong = write("wrong-cohorts.yaml", "fleet:\n- { cohort: a, stages: [nosuch] }\n");
    const refused = await skep(folder.path, "check", wrong);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/^skep: wrong-cohorts\.yaml:2:\d+: there is no stage nosuch/);
  });
});

describe("skep run", () => {
  test("runs the other scenarios where one's files are wrong, writes its reports and ends with 1", async () => {
    const bad = scenario("stage-key", fleet("stages: [jq]"));
    const unreadable = write("unreadable.yaml", "skep: 1\nname: [\n");
    const { code, out } = await skep(folder.path, "run", bad, unreadable, innocent, "--port", "0");
    expect(code).toBe(1);
    expect(out).toMatch(/jq\.yaml:8:\d+: stage completes: the key/);
    expect(out).toMatch(/unreadable\.yaml:\d+:\d+: not YAML/);
    expect(out.trimEnd().split("\n").at(-1)).toMatch(/^1 passed, 2 failed, 0 skipped/);
    expect(readFileSync(join(folder.path, "skep-report", "junit.xml"), "utf8")).toContain('failures="2"');
  });

  test("ends with 2 where nothing could be run, with the reasons in its reports", async () => {
    const files = [
      scenario("stage-key", fleet("stages: [jq]")),
      scenario("model-missing", fleet("devices: [{ model: no }]")),
    ];
    const { code, out } = await skep(folder.path, "run", ...files, "--port", "0", "--report", "refused");
    expect(code).toBe(2);
    expect(out).toMatch(/model-missing\.yaml:3:\d+: there is no model no/);
    expect(existsSync(join(folder.path, "refused", "report.html"))).toBe(true);
  });

  test("takes devices that the API refuses for a failure of that scenario alone", async () => {
    write(
      "strange.yaml",
      "apiVersion: devices.kubeedge.io/v1beta1\nkind: DeviceModel\nmetadata: { name: Not_A_Name }\nspec: { properties: [{ name: t, type: INT, accessMode: ReadWrite }] }\n",
    );
    const bad = scenario("refused-model", fleet("devices: [{ model: strange }]"));
    const { code, out } = await skep(folder.path, "run", bad, innocent, "--port", "0");
    expect(code).toBe(1);
    expect(out).toContain("Not_A_Name");
    expect(out.trimEnd().split("\n").at(-1)).toMatch(/^1 passed, 1 failed, 0 skipped/);
  });
});
