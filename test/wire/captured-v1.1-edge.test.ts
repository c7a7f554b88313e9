// The captured run of the programs of 2019 (KubeEdge v1.1): its cloud side, played against our edge of that era.
import mqtt from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { sleep } from "../../base/time/clock.ts";
import { linesOf } from "../support/captured.ts";
import { CloudPlay } from "../support/cloud-play.ts";
import { edgeOfFakeCloud } from "../support/fake-cloud.ts";

const node = "edge-1";
/** In the recorded edge the kubelet was left out: of the Node and of pods' statuses it said nothing. */
const ofKubelet = /\/(nodestatus|podstatus|configmap|secret)\//;

test("an edge of v1.1 says what the edgecore of 2019 said, and nothing else", async () => {
  const play = new CloudPlay(linesOf("captured-v1.1.jsonl"), ofKubelet);
  const slow = { confirm: 60_000, answer: 60_000, podStatusSyncV11: 600_000 };
  const { clock, edge, stop } = await edgeOfFakeCloud(node, (socket) => play.accept(socket), slow, "v1.1", {
    mqtt: { internal: { host: "127.0.0.1", port: 0 } },
  });
  onTestFinished(stop);
  const { devices, twin } = edge;
  await play.step("S1", () => edge.start());
  for (const step of ["S1b", "S2", "S3", "S3b", "S4", "S5", "S6", "S7", "S8"]) await play.step(step);
  expect(devices.stateOf("default/sensor-1")?.twin.temperature).toEqual({ desired: "25" });
  const report = (value: string) => () => devices.report("sensor-1", "temperature", value);
  await play.step("S9", report("21"), {}, { 53: report("25"), 57: () => devices.reportState("sensor-1", "online") });
  await play.step("S10", () => twin.reported("sensor-1", { temperature: { expected: { value: "40" } } }));
  expect(devices.stateOf("sensor-1")?.twin.temperature, "what was written here stands").toEqual({
    desired: "40",
    value: "25",
  });
  const application = await mqtt.connectAsync(edge.bus?.url ?? "");
  onTestFinished(() => application.endAsync(true));
  await play.step("S11", async () => {
    await application.publishAsync("SYS/dis/upload_records", `{"hello":1}`, { qos: 1 });
    await application.publishAsync("$hw/events/upload/x", "up", { qos: 1 });
  });
  await play.step("S12");
  expect(Object.keys(devices.stateOf("sensor-1")?.twin ?? {})).toEqual(["temperature"]);
  await play.step("S13", () => {}, {
    "network cut": async () => {
      edge.link.put({ cut: "both" });
      await sleep(clock, 100);
      edge.link.heal();
    },
  });
  await play.step("S14");
  expect(devices.all()).toEqual([]);
  expect(edge.store.get("default/pod/pod-1")).toBeUndefined();
  expect(edge.store.get("default/service/web")).toMatchObject({ metadata: { name: "web" } });
  expect(edge.store.get("default/podlist/web")).toMatchObject({ items: [{ metadata: { name: "pod-1" } }] });
  await play.step("end", () => void edge.stop({ farewell: true }));
  expect(play.findings).toEqual([]);
}, 60_000);
