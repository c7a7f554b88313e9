// Creates the devices of 14-many-registers.yaml: two hundred controllers of five registers each, a set point for every one.
import { resources } from "../../../cloud/kube/resource.ts";
import { deviceApi } from "../../../protocol/apis/device.ts";
import type { StepContext } from "../../model/context.ts";

const DEVICES = 200;
const REGISTERS = 5;

export default async function registers({ environment }: StepContext): Promise<void> {
  const { kube, namespace } = environment;
  const names = Array.from({ length: REGISTERS }, (_, i) => `r${i}`);
  await kube.create(resources.devicemodels, {
    apiVersion: deviceApi,
    kind: "DeviceModel",
    metadata: { name: "plc", namespace },
    spec: { protocol: "modbus", properties: names.map((name) => ({ name, type: "INT", accessMode: "ReadWrite" })) },
  });
  const device = (i: number) => ({
    apiVersion: deviceApi,
    kind: "Device",
    metadata: { name: `plc-${i}`, namespace },
    spec: {
      nodeName: environment.named("gw-0"),
      deviceModelRef: { name: "plc" },
      protocol: { protocolName: "modbus" },
      properties: names.map((name, value) => ({ name, desired: { value: `${value}` }, reportToCloud: true })),
    },
  });
  await Promise.all(Array.from({ length: DEVICES }, (_, i) => kube.create(resources.devices, device(i))));
}
