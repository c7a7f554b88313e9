// An API server that fails on purpose: what others see of it, and what the scenario that asked for it does not.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { SPARED_AGENT } from "../../cloud/apiserver/http/faults.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { type Cloud, startCloud } from "../support/start.ts";

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
  "%i is what others get; whoever put the fault is served",
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

test("a share of the requests is drawn", async () => {
  cloud.api.faults.add({ answer: 500, share: 0.5, resources: ["configmaps"] });
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => cloud.kube.find(ref("lost")).then(() => 1, () => 0)),
  );
  const served = answers.reduce<number>((sum, each) => sum + each, 0);
  expect(served).toBeGreaterThan(10);
  expect(served).toBeLessThan(50);
});
