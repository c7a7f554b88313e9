// The devices that a scenario's fleet has: objects in the API, made from models.
import { access } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { hasCode, type KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { deviceApi, type DeviceModel } from "../../protocol/apis/device.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { milliseconds } from "../engine/duration.ts";
import { readManifest } from "../engine/manifest.ts";
import type { CohortDevices, Scenario } from "../engine/scenario.ts";
import { StepFailure } from "../steps/step.ts";

const shipped = fileURLToPath(new URL("../library/models", import.meta.url));

/** Creates the models and devices of all cohorts. Resolves with how many devices each edge gets. Throws StepFailure. */
export async function createDevices(
  kube: KubeClient,
  namespace: string,
  scenario: Scenario,
): Promise<Map<string, number>> {
  const perEdge = new Map<string, number>();
  const made = new Set<string>();
  for (const { cohort, count = 1, devices = [] } of scenario.fleet) {
    for (const wanted of devices) {
      const model = await readModel(wanted.model, scenario.position.file);
      if (!made.has(wanted.model)) await create(kube, { ...model, metadata: { ...model.metadata, namespace } });
      made.add(wanted.model);
      for (let i = 0; i < count; i++) {
        const edge = `${cohort}-${i}`;
        perEdge.set(edge, (perEdge.get(edge) ?? 0) + wanted.perEdge);
        await Promise.all(
          Array.from({ length: wanted.perEdge }, (_, d) => create(kube, deviceOf(model, wanted, edge, d, namespace))),
        );
      }
    }
  }
  return perEdge;
}

async function readModel(name: string, scenarioFile: string): Promise<DeviceModel> {
  const beside = resolve(dirname(scenarioFile), `${name}.yaml`);
  const file = await access(beside).then(() => beside, () => resolve(shipped, `${name}.yaml`));
  const model = (await readManifest(file, {})).find((object) => object.kind === "DeviceModel");
  if (model === undefined) throw new StepFailure(`${file} holds no DeviceModel`);
  return model as DeviceModel;
}

function deviceOf(
  model: DeviceModel,
  wanted: CohortDevices,
  edge: string,
  index: number,
  namespace: string,
): KubeObject {
  const cycle = wanted.reports === undefined ? undefined : milliseconds(wanted.reports);
  return {
    apiVersion: deviceApi,
    kind: "Device",
    metadata: { name: `${edge}-${wanted.model}-${index}`, namespace },
    spec: {
      nodeName: edge,
      deviceModelRef: { name: model.metadata.name },
      protocol: { protocolName: model.spec?.protocol ?? "skep" },
      properties: (model.spec?.properties ?? []).map(({ name }) => ({
        name,
        ...(cycle === undefined ? {} : { reportToCloud: true, reportCycle: cycle }),
      })),
    },
  };
}

async function create(kube: KubeClient, object: KubeObject): Promise<void> {
  const resource = object.kind === "Device" ? resources.devices : resources.devicemodels;
  try {
    await kube.create(resource, object);
  } catch (error) {
    if (!hasCode(error, 409)) throw error;
  }
}
