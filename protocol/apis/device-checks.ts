// What a schema can't say about a Device or DeviceModel: KubeEdge checks a part of it in an optional webhook, the rest nowhere.
import { refuseTwin, refuseTwinType } from "../twin/twin.ts";
import type { Device, DeviceModel } from "./device.ts";

/** What is wrong with a model, a sentence each; empty where nothing is (KubeEdge v1.23 `cloud/pkg/admissioncontroller`). */
export function modelErrors(model: DeviceModel): string[] {
  return repeated(model.spec?.properties ?? []);
}

/**
 * What is wrong with a device, a sentence each; empty where nothing is. Property names are unique (notes 3, §1.4), its
 * model knows them, and the edge takes each desired value (§4.4): one it refuses is dropped there without a notice.
 */
export function deviceErrors(device: Device, model: DeviceModel | undefined): string[] {
  const properties = device.spec?.properties ?? [];
  const faults = repeated(properties);
  const known = new Map((model?.spec?.properties ?? []).map((property) => [property.name, property]));
  for (const { name, desired } of properties) {
    const described = known.get(name);
    if (model !== undefined && described === undefined) {
      faults.push(`property "${name}": the model "${model.metadata.name}" does not have it`);
    }
    const value = desired?.value;
    const refusal = refuseTwin(name, value);
    if (refusal !== undefined) faults.push(refusal);
    const type = desired?.metadata?.type ?? "";
    const mismatch = value === undefined || value === "" ? undefined : refuseTwinType(type, value);
    if (mismatch !== undefined) faults.push(`property "${name}", type "${type}": ${mismatch}`);
    if (value !== undefined && value !== "" && described?.accessMode === "ReadOnly") {
      faults.push(`property "${name}": the model has it ReadOnly, so nothing can be desired of it`);
    }
  }
  return faults;
}

function repeated(properties: readonly { readonly name: string }[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { name } of properties) (seen.has(name) ? twice : seen).add(name);
  return [...twice].map((name) => `property "${name}": names must be unique`);
}
