import { describe, expect, test } from "vitest";
import { deviceErrors, modelErrors } from "../../../../protocol/apis/device-checks.ts";
import type { Device, DeviceModel, DeviceProperty } from "../../../../protocol/apis/device.ts";

const model: DeviceModel = {
  metadata: { name: "m" },
  spec: { properties: [{ name: "t", accessMode: "ReadWrite" }, { name: "serial", accessMode: "ReadOnly" }] },
};

type Properties = readonly DeviceProperty[];

function device(properties: Properties): Device {
  return { metadata: { name: "d" }, spec: { properties } };
}

describe("a device", () => {
  test.each<[string, Properties]>([
    ["as its model says", [{ name: "t", desired: { value: "20", metadata: { type: "int" } } }, { name: "serial" }]],
    ["without properties", []],
    ["that wants nothing of a ReadOnly property", [{ name: "serial", desired: { value: "" } }]],
  ])("%s has no faults", (_, properties) => {
    expect(deviceErrors(device(properties), model)).toEqual([]);
  });

  test.each<[string, Properties, RegExp]>([
    ["with a name twice", [{ name: "t" }, { name: "t" }, { name: "t" }], /"t": names must be unique/],
    ["with a property its model lacks", [{ name: "x" }], /"x": the model "m" does not have it/],
    ["that wants what the edge drops", [{ name: "t", desired: { value: "21 °C" } }], /"t": the value "21 °C" may only/],
    ["that wants text of an int", [{ name: "t", desired: { value: "a", metadata: { type: "int" } } }], /type "int"/],
    [
      "that wants what is ReadOnly",
      [{ name: "serial", desired: { value: "1" } }],
      /"serial": the model has it ReadOnly/,
    ],
  ])("%s gets one such fault", (_, properties, fault) => {
    const faults = deviceErrors(device(properties), model);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(fault);
  });

  test("whose model is not there yet is judged without it", () => {
    expect(deviceErrors(device([{ name: "x" }]), undefined)).toEqual([]);
  });
});

test("a model with a property name twice gets that fault", () => {
  expect(modelErrors(model)).toEqual([]);
  expect(modelErrors({ metadata: { name: "m" }, spec: { properties: [{ name: "a" }, { name: "a" }] } })).toEqual([
    'property "a": names must be unique',
  ]);
});
