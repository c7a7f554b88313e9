// Steps at devices: report and set.
import { reasonOf } from "../../base/log/logger.ts";
import type { StepContext } from "../model/context.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import { schemas } from "../files/schemas.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";

type DeviceArgs =
  & { readonly device: string; readonly state?: string; readonly refused?: boolean }
  & Readonly<Record<string, string | number | boolean>>;

/** The edge that has the device, and the device's id. Throws StepFailure. */
function find({ environment }: StepContext, device: string): readonly [edge: Edge, id: string] {
  const id = device.includes("/") ? device : `${environment.namespace}/${device}`;
  const edge = environment.fleet.edges().find((e) => e.devices.has(id));
  if (edge !== undefined) return [edge, id];
  const some = environment.fleet.edges().flatMap((e) => e.devices.all()).slice(0, 5);
  throw new StepFailure(
    `no edge has a device ${device}`,
    [`there are ${some.join(", ") || "no devices at all"}`],
    device,
  );
}

export const reportStep = {
  name: "report",
  summary: "A device reports values of its properties, or its state.",
  schema: {
    type: "object",
    required: ["device"],
    minProperties: 2,
    properties: {
      device: { type: "string" },
      state: { type: "string" },
      refused: { type: "boolean", description: "the edge must refuse it: a value may not hold every character" },
    },
    additionalProperties: schemas.value,
  },
  needs: () => ["device-twins"],
  run(context: StepContext, args: DeviceArgs) {
    const { device, state, refused = false, ...values } = args;
    const [edge, id] = find(context, device);
    let isRefused = false;
    try {
      for (const [property, value] of Object.entries(values)) edge.devices.report(id, property, String(value));
      if (state !== undefined) edge.devices.reportState(id, state);
    } catch (error) {
      if (!refused) throw new StepFailure(`device ${device} can't report that`, [reasonOf(error)], device);
      isRefused = true;
    }
    if (refused && !isRefused) throw new StepFailure(`device ${device} could report that`, [], device);
    return Promise.resolve(undefined);
  },
} as const satisfies StepKind;

export const setStep = {
  name: "set",
  summary: "A device has these values from now on, without reporting them by itself.",
  schema: {
    type: "object",
    required: ["device"],
    minProperties: 2,
    properties: { device: { type: "string" } },
    additionalProperties: schemas.value,
  },
  needs: () => ["device-twins"],
  run(context: StepContext, args: DeviceArgs) {
    const { device, ...values } = args;
    const [edge, id] = find(context, device);
    try {
      for (const [property, value] of Object.entries(values)) edge.devices.measure(id, property, String(value));
    } catch (error) {
      throw new StepFailure(`device ${device} can't be set so`, [reasonOf(error)], device);
    }
    return Promise.resolve(undefined);
  },
} as const satisfies StepKind;
