// The captured run's cloud side, played message by message against our edge: does our edge send what edgecore sent?
import { expect, onTestFinished, test } from "vitest";
import { sleep } from "../../base/time/clock.ts";
import { linesOf } from "../support/captured.ts";
import { CloudPlay } from "../support/cloud-play.ts";
import { edgeOfFakeCloud } from "../support/fake-cloud.ts";

const node = "edge-1";

test("every message of edgecore has its equal in our edge, and there is no other", async () => {
  const play = new CloudPlay(linesOf("captured-v1.23.jsonl"));
  const slow = { confirm: 60_000, answer: 60_000, nodeStatus: 600_000 };
  const { clock, edge, stop } = await edgeOfFakeCloud(node, (socket) => play.accept(socket), slow);
  onTestFinished(stop);
  const sensor = "default/sensor-1";
  await play.step("01", () => edge.start());
  for (const step of ["02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"]) await play.step(step);
  await play.step("13", () => edge.devices.report(sensor, "temperature", "21"));
  await play.step("14", () => edge.devices.report(sensor, "temperature", "22"));
  await play.step("15", () => edge.devices.reportState(sensor, "online"));
  // Step 16 is an upload through the edge's MQTT broker: eventbus is not there yet.
  await play.step("17", () => {}, {
    "network cut": async () => {
      edge.link.put({ cut: "both" });
      await sleep(clock, 100);
      edge.link.heal();
    },
  });
  await play.step("18", () => void edge.stop({ farewell: true }));
  await play.step("19", () => edge.start());
  await play.step("20");
  await play.step("21");
  await play.step("22");
  expect(play.findings).toEqual([]);
}, 60_000);
