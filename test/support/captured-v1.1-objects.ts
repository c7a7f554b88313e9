// The device and the model of the captured run of v1.1, as they must have been applied: their profile and twins are in it.
import type { DeviceModelV1alpha1, DeviceV1alpha1 } from "../../protocol/apis/device-v1alpha1.ts";

export const model: DeviceModelV1alpha1 = {
  metadata: { name: "sensor-model", namespace: "default" },
  spec: {
    properties: [
      {
        name: "temperature",
        description: "degrees",
        type: { int: { accessMode: "ReadWrite", maximum: 100, unit: "celsius" } },
      },
      { name: "enable", type: { string: { accessMode: "ReadWrite", defaultValue: "OFF" } } },
    ],
    propertyVisitors: [{
      propertyName: "temperature",
      modbus: { register: "HoldingRegister", offset: 2, limit: 1, scale: 1, isSwap: true, isRegisterSwap: true },
    }],
  },
};

export const device = (node: string): DeviceV1alpha1 => ({
  metadata: { name: "sensor-1", namespace: "default", labels: { description: "in-room-1", model: "sensor-model" } },
  spec: {
    deviceModelRef: { name: "sensor-model" },
    protocol: {
      modbus: {
        rtu: { serialPort: "1", baudRate: 115200, dataBits: 8, parity: "even", stopBits: 1, slaveID: 1 },
      },
    },
    nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: "", operator: "In", values: [node] }] }] },
  },
  status: {
    twins: [
      { propertyName: "temperature", desired: { value: "20", metadata: { type: "int" } } },
      { propertyName: "enable", desired: { value: "OFF", metadata: { type: "string" } } },
    ],
  },
});
