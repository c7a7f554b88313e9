// An API server that fails on purpose: what others see of it, and what the scenario that asked for it does not.
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type Logger, silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import { defaultConfig } from "../../cloud/config/config.ts";
import type { ApiAccess } from "../../cloud/apiserver/apiserver.ts";
import { type ApiFault, SPARED_AGENT } from "../../cloud/apiserver/http/faults.ts";
import { JsonWatch } from "../../cloud/kube/json-watch.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { newJournal, newObjectSync } from "../../protocol/apis/reliablesyncs.ts";
import { anyPort, type Cloud, startApi, startCloud } from "../support/start.ts";
import { refusal } from "../support/failing-api.ts";
import { until } from "../support/until.ts";

let cloud: Cloud;
let spared: KubeClient;
beforeAll(async () => {
  cloud = await startCloud();
  spared = new KubeClient(tokenKubeConfig(cloud.api.access), undefined, { "user-agent": SPARED_AGENT });
});
afterEach(() => cloud.api.faults.heal());
afterAll(async () => {
  await spared.close();
  await cloud.stop();
});

const configmap = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" } });
const ref = (name: string) => ({ resource: resources.configmaps, namespace: "default", name });

test.each([409, 410, 429, 500, 503] as const)(
  "%i is what others get; the program that put the fault is served",
  async (answer) => {
    cloud.api.faults.add({ answer, resources: ["configmaps"] });
    await expect(cloud.kube.get(ref("x"))).rejects.toMatchObject({ status: { code: answer } });
    await spared.create(resources.configmaps, configmap(`of-${answer}`));
    // Other resources are as they were.
    expect((await cloud.kube.list(resources.namespaces)).items.length).toBeGreaterThan(0);
    cloud.api.faults.heal();
    expect((await cloud.kube.get(ref(`of-${answer}`))).metadata.name).toBe(`of-${answer}`);
  },
);

test("a write whose answer is lost has been done", async () => {
  cloud.api.faults.add({ loseAnswers: true, resources: ["configmaps"] });
  await expect(cloud.kube.create(resources.configmaps, configmap("lost"))).rejects.toThrow(/can't be reached/);
  // Reads are answered.
  expect((await cloud.kube.get(ref("lost"))).metadata.name).toBe("lost");
});

test("also that a write is refused isn't answered", async () => {
  cloud.api.faults.add({ loseAnswers: true, resources: ["configmaps"] });
  await expect(cloud.kube.create(resources.configmaps, configmap("Not a name"))).rejects.toThrow(/can't be reached/);
  await expect(spared.create(resources.configmaps, configmap("Not a name"))).rejects.toMatchObject({
    status: { code: 422 },
  });
});

test.each(["by itself", "healed"])("what is late for a fault goes on as soon as that is over (%s)", async (how) => {
  // Of a fault that is over nothing is refused any more.
  const end = cloud.api.faults.add({ latency: 600_000, answer: 503, loseAnswers: true, resources: ["configmaps"] });
  const asked = cloud.kube.find(ref("late"));
  // Another's round trip: it has come.
  await cloud.kube.list(resources.namespaces);
  if (how === "healed") cloud.api.faults.heal();
  else end();
  expect(await asked).toBeUndefined();
});

test("a share of the requests is drawn", async () => {
  cloud.api.faults.add({ answer: 500, share: 0.5, resources: ["configmaps"] });
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => cloud.kube.find(ref("lost")).then(() => 1, () => 0)),
  );
  const served = answers.reduce<number>((sum, each) => sum + each, 0);
  expect(served).toBeGreaterThan(10);
  expect(served).toBeLessThan(50);
});

test("watches end in time, those that are open and those that begin", async () => {
  const ended: string[] = [];
  const watch = async (name: string, client: KubeClient) => {
    let isOpen = false;
    const watched = new JsonWatch(client.config.config, () => isOpen = true);
    const stop = await watched.watch("/api/v1/configmaps", {}, () => {}, () => void ended.push(name));
    onTestFinished(() => stop.abort());
    await until(`the watch ${name} is open`, () => isOpen);
  };
  await watch("before", cloud.kube);
  cloud.api.faults.add({ dropWatches: 20 });
  await until("the one that was open has ended", () => ended.includes("before"));
  await watch("after", cloud.kube);
  await until("the one that began has ended", () => ended.includes("after"));
});

describe("a cloudcore that starts", () => {
  const startCore = (access: ApiAccess, logger = silentLogger) =>
    CloudCore.start({
      kubeconfig: tokenKubeConfig(access),
      config: defaultConfig,
      https: anyPort,
      clock: new TimerWheel(),
      random: new Random(1),
      logger,
    });

  test.each<[string, ApiFault]>([
    ["refuses", { answer: 500 }],
    ["is too busy", { answer: 429 }],
    ["has conflicts", { answer: 409 }],
    ["loses what it answers to writes", { loseAnswers: true }],
  ])("while the API server %s is there when that is over", async (_what, fault) => {
    const { api } = await startApi();
    onTestFinished(() => api.stop());
    const heal = api.faults.add(fault);
    const told: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => void told.push(message), with: () => logger };
    const starting = startCore(api.access, logger);
    await Promise.race([
      starting,
      until("it has tried again", () => told.some((line) => line.includes("tried again"))),
    ]);
    expect(told.length).toBeGreaterThan(0);
    heal();
    await using core = await starting;
    expect(core.hub.ports.https).toBeGreaterThan(0);
  });

  test("makes the records that the last one's journal stands for, though a quota's conflict refuses each at first", async () => {
    const { api } = await startApi();
    onTestFinished(() => api.stop());
    const kube = new KubeClient(tokenKubeConfig(api.access), undefined, { "user-agent": SPARED_AGENT });
    onTestFinished(() => kube.close());
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "app", namespace: "default", uid: "u-1" } };
    const record = newObjectSync("gw-0", object);
    await kube.create(resources.clusterobjectsyncs, newJournal("journal-1", [record]));
    // As a quota answers that others change meanwhile: no AlreadyExists.
    const create = KubeClient.prototype.create;
    let refused = 0;
    const spied = vi.spyOn(KubeClient.prototype, "create").mockImplementation(function (this: KubeClient, ...args) {
      if (args[0].plural === "objectsyncs" && refused++ === 0) return Promise.reject(refusal(409, "Conflict"));
      return create.apply(this, args);
    });
    onTestFinished(() => spied.mockRestore());
    await using _core = await startCore(api.access);
    const found = await kube.find({
      resource: resources.objectsyncs,
      namespace: "default",
      name: record.metadata.name,
    });
    expect(found?.spec).toMatchObject({ objectKind: "ConfigMap", objectName: "app" });
    expect((await kube.list(resources.clusterobjectsyncs)).items).toEqual([]);
  });

  test("is told at once that it may not, or that nobody is there", async () => {
    const { api } = await startApi();
    const access = { ...api.access, token: "another" };
    const told: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => void told.push(message), with: () => logger };
    await expect(startCore(access, logger)).rejects.toMatchObject({ status: { code: 401 } });
    await api.stop();
    await expect(startCore(access, logger)).rejects.toThrow(/can't be reached/);
    expect(told.filter((line) => line.includes("tried again"))).toEqual([]);
  });
});
