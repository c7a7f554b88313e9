// `skep fleet` with cohorts, and `skep clean` afterwards.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { StoreFile } from "../../edge-sim/metamanager/store-file.ts";
import { kubeedgeCrdsOfBothEras } from "../../protocol/apis/crds.ts";
import { listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { v11Rule } from "../../protocol/apis/cloudcore-config.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

const folder = workFolder();
const kubeconfig = join(folder.path, "kubeconfig");
let cloud: Cloud;

beforeAll(async () => {
  cloud = await startCloud({ config: { eras: [v11Rule] }, api: { seed: kubeedgeCrdsOfBothEras } });
  await writeKubeconfig(kubeconfig, cloud.api.access);
});
afterAll(async () => {
  await cloud.stop();
  folder.remove();
});

function write(name: string, text: string): string {
  writeFileSync(join(folder.path, name), text);
  return name;
}

const at = (...flags: string[]) => {
  const { ports, token } = cloud.core.hub;
  const address = ["--cloudcore", `127.0.0.1:${ports.websocket}`, "--enrolment-port", String(ports.https)];
  return ["fleet", ...address, "--token", token, "--time-scale", "10", ...flags];
};

test("cohorts of two eras come with their devices, which say what the file says; clean removes all of it, and nothing else", async () => {
  const file = write(
    "cohorts.yaml",
    `fleet:
  - cohort: north
    count: 2
    labels: { site: north }
    pods: 7
    devices:
      - { model: thermometer, perEdge: 2, reports: 1s, values: { temperature: { csv: { file: day.csv, column: celsius } } } }
  - { cohort: old, count: 1, version: v1.1, devices: [{ model: thermometer }] }
`,
  );
  write("day.csv", "hour,celsius\n0,-3\n12,-3\n");
  await cloud.kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "foreign" } });
  const fleet = new Command(folder.path, at("--cohorts", file, "--kubeconfig", kubeconfig));
  await fleet.says(
    /3 edges: 3 connected, 3 Ready, 0 pods running, \d devices, 0 reconnects(, \d+\/s up, \d+\/s down)?, lag \d+ ms\nready/,
  );
  const node = await cloud.kube.get({ resource: resources.nodes, name: "north-1" });
  expect(node.metadata.labels?.site).toBe("north");
  expect(textAt(node, "status", "capacity", "pods")).toBe("7");
  await until("the last device says what is in the table", async () => {
    const name = "north-1-thermometer-1";
    const status = await cloud.kube.find({ resource: resources.devicestatuses, namespace: "default", name });
    return JSON.stringify(status?.status ?? "").includes('"value":"-3"');
  });
  await until("the edge of v1.1 has its device", async () => {
    const name = "old-0-thermometer-0";
    return await cloud.kube.find({ resource: resources.devicesV1alpha1, namespace: "default", name }) !== undefined;
  });
  expect((await fleet.interrupt()).code).toBe(130);

  const would = await skep(folder.path, "clean", "--kubeconfig", kubeconfig, "--dry-run");
  expect(would.out).toBe("would remove 5 devices, 2 devicemodels, 3 nodes\n");
  const did = await skep(folder.path, "clean", "--kubeconfig", kubeconfig);
  expect([did.code, did.out]).toEqual([0, "removed 5 devices, 2 devicemodels, 3 nodes\n"]);
  const { items } = await cloud.kube.list(resources.nodes);
  expect(items.map(({ metadata }) => metadata.name)).toEqual(["foreign"]);
  const again = await skep(folder.path, "clean", "--kubeconfig", kubeconfig);
  expect(again.out).toBe("removed 0 devices, 0 devicemodels, 0 nodes\n");
});

describe("a fleet in several processes", () => {
  /** Without a token: the CA is in the cluster. */
  const spread = (...flags: string[]) => {
    const { ports } = cloud.core.hub;
    const address = ["--cloudcore", `127.0.0.1:${ports.websocket}`, "--enrolment-port", String(ports.https)];
    return ["fleet", ...address, "--kubeconfig", kubeconfig, "--time-scale", "10", ...flags];
  };
  const connected = () => cloud.core.hub.metrics().connected_nodes as number;

  test("counts them all, names them as one process would, has none without an edge, and takes every process along when it is interrupted", async () => {
    const fleet = new Command(
      folder.path,
      spread("--edges", "3", "--prefix", "many", "--processes", "4", "--label", "site=north", "--label", "a/b="),
    );
    await fleet.says(/3 edges in 3 processes; this machine has .*processors\n/);
    await fleet.says(/3 edges: 3 connected, 3 Ready.*\nready/);
    const { items } = await cloud.kube.list(resources.nodes);
    const names = items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith("many-")).sort();
    expect(names).toEqual(Array.from({ length: 3 }, (_, i) => `many-${i}`));
    const mine = items.filter(({ metadata }) => metadata.name.startsWith("many-"));
    expect(mine.map(({ metadata: { labels } }) => [labels?.site, labels?.["a/b"]])).toEqual(
      Array(3).fill(["north", ""]),
    );
    expect(new Set(mine.map((node) => JSON.stringify(listAt(node, "status", "addresses")[0]))).size).toBe(3);
    expect((await fleet.interrupt()).code).toBe(130);
    await until("no edge is left", () => connected() === 0);
  });

  test("ends with the process that started it, also where that is killed", async () => {
    const fleet = new Command(folder.path, spread("--edges", "4", "--prefix", "killed", "--processes", "2", "--json"));
    await fleet.says('"ready":true');
    expect(connected()).toBe(4);
    fleet.child.kill("SIGKILL");
    await until("no edge is left", () => connected() === 0);
    await fleet.ended();
  });

  test("of which a part can't run says why and ends with code 2", async () => {
    const { ports } = cloud.core.hub;
    const wrong = ["fleet", "--cloudcore", `127.0.0.1:${ports.websocket}`, "--enrolment-port", String(ports.https)];
    const { code, err } = await skep(folder.path, ...wrong, "--token", `${"0".repeat(64)}.a.b.c`, "--processes", "2");
    expect(err).toMatch(/^skep: the CA of https:.* is not the one the token was made for/m);
    expect(code).toBe(2);
  });

  test("joins no faster than it is told, and a part of it alone can be had", async () => {
    const fleet = new Command(
      folder.path,
      spread("--edges", "9", "--prefix", "part", "--shard", "1/4", "--json", "--rate", "1000"),
    );
    await fleet.says('"ready":2');
    expect((await fleet.interrupt()).code).toBe(130);
    const { items } = await cloud.kube.list(resources.nodes);
    const names = items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith("part-")).sort();
    expect(names).toEqual(["part-1", "part-5"]);
  });
});

test("edges have endpoints for mappers where their cohort says so", async () => {
  const file = write(
    "doors.yaml",
    `fleet: [{ cohort: door, count: 2, mqtt: {}, serviceBus: {}, dmi: sockets, mapper: dmi, devices: [{ model: thermometer, perEdge: 1, reports: 1s }] }]`,
  );
  const fleet = new Command(folder.path, at("--cohorts", file, "--kubeconfig", kubeconfig));
  await fleet.says(/\nready/);
  await fleet.says(/door-1: mqtt:\/\/127\.0\.0\.1:\d+, .*sockets\/door-1\/dmi\.sock/);
  await until("a device reports through the socket", async () => {
    const name = "door-1-thermometer-0";
    const status = await cloud.kube.find({ resource: resources.devicestatuses, namespace: "default", name });
    return JSON.stringify(status?.status ?? "").includes('"reported"');
  });
  expect((await fleet.interrupt()).code).toBe(130);
});

test("edges that were killed find again what they had stored", async () => {
  const file = write("kept.yaml", `fleet: [{ cohort: kept, devices: [{ model: thermometer, perEdge: 1 }] }]`);
  const flags = at("--cohorts", file, "--kubeconfig", kubeconfig, "--data", "kept");
  const fleet = new Command(folder.path, flags);
  await fleet.says(/1 Ready, 0 pods running, 1 devices/);
  fleet.child.kill("SIGKILL");
  const { err } = await fleet.ended();
  expect(err).toBe("");
  const stored = await StoreFile.open(join(folder.path, "kept", "edges.db"));
  const paths = [...stored.load("kept-0")].map(([path]) => path);
  stored.close();
  expect(paths).toEqual(expect.arrayContaining(["default/device/kept-0-thermometer-0", "null/node/kept-0"]));
  const again = new Command(folder.path, flags);
  await again.says(/1 Ready, 0 pods running, 1 devices/);
  expect((await again.interrupt()).code).toBe(130);
});

describe("what can't be started is refused with code 2", () => {
  test.each<[string, string, string[], RegExp]>([
    ["edges said twice", "fleet: [{ cohort: a }]", ["--edges", "3"], /--cohorts names and counts the edges/],
    [
      "no cohort",
      "fleet: [{ cohort: a, size: 3 }]",
      [],
      /wrong\.yaml:1:22: unknown field "size"; allowed are cohort, count/,
    ],
    [
      "devices without a cluster",
      "fleet: [{ cohort: a, devices: [{ model: thermometer, perEdge: 1 }] }]",
      [],
      /cohort a: its devices \(perEdge, reports\) are made in the cluster: say --kubeconfig FILE/,
    ],
    [
      "QUIC without a port",
      "fleet: [{ cohort: a, transport: quic }]",
      [],
      /cohort a connects over QUIC: give the hub's port, --quic-port N/,
    ],
    [
      "one broker for two edges",
      "fleet: [{ cohort: a, count: 2, mqtt: { server: 'tcp://127.0.0.1:1883' } }]",
      [],
      /cohort a: a broker that runs already is one edge's/,
    ],
    [
      "a broker that isn't there",
      "fleet: [{ cohort: a, mqtt: { server: 'tcp://127.0.0.1:1' } }]",
      [],
      /the MQTT broker at tcp:\/\/127\.0\.0\.1:1 can't be reached/,
    ],
    ["a mapper by DMI without a socket", "fleet: [{ cohort: a, mapper: dmi }]", [], /mapper: dmi needs dmi: FOLDER/],
    [
      "a prefix that is no name",
      "fleet: [{ cohort: a }]",
      ["--prefix", "Łódź"],
      /small letters, digits and - are needed/,
    ],
    ["a label that is none", "fleet: [{ cohort: a }]", ["--label", "site"], /KEY=VALUE is needed/],
    ["a shard that isn't there", "fleet: [{ cohort: a }]", ["--shard", "4/4"], /I\/N is needed/],
  ])("%s", async (_, text, flags, expected) => {
    const { code, err } = await skep(folder.path, ...at("--cohorts", write("wrong.yaml", text), ...flags));
    expect(err).toMatch(expected);
    expect(code).toBe(2);
  });

  test("clean without a cluster", async () => {
    const { code, err } = await skep(folder.path, "clean");
    expect([code, err]).toEqual([2, expect.stringContaining("--kubeconfig FILE is needed: the cluster to clean")]);
  });
});
