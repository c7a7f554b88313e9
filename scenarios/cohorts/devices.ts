// The devices that a scenario's fleet has: objects in the API, made from models.
import { CohortError } from "./cohort-error.ts";
import { fileURLToPath } from "node:url";
import { isAlreadyExists, type KubeClient } from "../../cloud/kube/client.ts";
import { edgeName } from "../../edge-sim/fleet/fleet.ts";
import { deviceApi, type DeviceModel } from "../../protocol/apis/device.ts";
import { type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { milliseconds } from "../files/duration.ts";
import type { CohortsFile } from "./read.ts";
import { besideOrShipped, InputFileError, readManifest } from "../files/manifest.ts";
import type { CohortDevices } from "./cohort.ts";

const shipped = fileURLToPath(new URL("../library/models", import.meta.url));

/**
 * Creates the models and devices of all cohorts, with these labels; what is there already is used. `nameOf` is what edges are
 * called. Resolves with how many devices each edge gets. Throws CohortError.
 */
export async function createDevices(
  kube: KubeClient,
  namespace: string,
  { fleet, position }: Pick<CohortsFile, "fleet" | "position">,
  labels: Readonly<Record<string, string>> = {},
  nameOf: (cohort: string, index: number) => string = edgeName,
): Promise<Map<string, number>> {
  const perEdge = new Map<string, number>();
  const made = new Set<string>();
  const make = (object: KubeObject) => create(kube, labelled(object, labels));
  for (const { cohort, count = 1, devices = [], version = "v1.23" } of fleet) {
    const isV11 = version === "v1.1";
    for (const wanted of devices) {
      const { perEdge: each = 1 } = wanted;
      if (isV11 && wanted.reports !== undefined) {
        throw new CohortError("devices of v1.1 report what they are made to: leave `reports` out of their cohort");
      }
      const model = await readModel(wanted.model, position.file);
      const metadata = { ...model.metadata, namespace };
      const placed = isV11 ? modelOfV1alpha1({ ...model, metadata }) : { ...model, metadata };
      if (!made.has(`${version} ${wanted.model}`)) await make(placed);
      made.add(`${version} ${wanted.model}`);
      for (let i = 0; i < count; i++) {
        const edge = nameOf(cohort, i);
        perEdge.set(edge, (perEdge.get(edge) ?? 0) + each);
        await Promise.all(Array.from({ length: each }, (_, d) => {
          const device = deviceOf(model, wanted, edge, d, namespace);
          return make(isV11 ? deviceOfV1alpha1(device, placed.metadata.name, edge) : device);
        }));
      }
    }
  }
  return perEdge;
}

/** A model that is shipped, or stands beside the scenario. Throws CohortError. */
export async function readModel(name: string, scenarioFile: string): Promise<DeviceModel> {
  const file = await besideOrShipped({ name, what: "model", shipped }, scenarioFile);
  const model = (await readManifest(file)).find((object) => object.kind === "DeviceModel");
  if (model === undefined) throw new InputFileError(`${file}:1:1: the file holds no DeviceModel`);
  return model as DeviceModel;
}

/** The protocol of the devices of a model. */
export function protocolOf({ spec }: DeviceModel): string {
  return spec?.protocol ?? "skep";
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
      protocol: { protocolName: protocolOf(model) },
      properties: (model.spec?.properties ?? []).map(({ name }) => ({
        name,
        ...(cycle === undefined ? {} : { reportToCloud: true, reportCycle: cycle }),
      })),
    },
  };
}

const V1ALPHA1 = "devices.kubeedge.io/v1alpha1";

/** What v1.1 can say of a model: its numbers are whole, all else is text. Both eras' objects share one table of the API. */
function modelOfV1alpha1({ metadata, spec }: DeviceModel): KubeObject {
  const properties = (spec?.properties ?? []).map(({ accessMode = "ReadWrite", maximum, minimum, name, type }) => {
    const bound = (key: string, text: string | undefined) =>
      text === undefined ? {} : { [key]: Math.round(Number(text)) };
    const int = { accessMode, ...bound("minimum", minimum), ...bound("maximum", maximum) };
    return { name, type: type === "INT" ? { int } : { string: { accessMode } } };
  });
  const name = `${metadata.name}-v1.1`;
  return { apiVersion: V1ALPHA1, kind: "DeviceModel", metadata: { ...metadata, name }, spec: { properties } };
}

function deviceOfV1alpha1({ metadata, spec }: KubeObject, model: string, edge: string): KubeObject {
  return {
    apiVersion: V1ALPHA1,
    kind: "Device",
    metadata,
    spec: {
      deviceModelRef: { name: model },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: "", operator: "In", values: [edge] }] }] },
    },
    status: {
      twins: listAt(spec, "properties").map((property) => ({
        propertyName: textAt(property, "name"),
        desired: { value: "" },
      })),
    },
  };
}

function labelled(object: KubeObject, labels?: Readonly<Record<string, string>>): KubeObject {
  if (labels === undefined) return object;
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...labels } } };
}

async function create(kube: KubeClient, object: KubeObject): Promise<void> {
  const resource = await kube.resourceOf(object);
  try {
    await kube.create(resource, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
