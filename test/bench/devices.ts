// How long one edge takes until all set points of its devices have been reported, against what its message limit permits.
// Runs as a part of `npm run bench`.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { deviceApi } from "../../protocol/apis/device.ts";

/** Messages a second of an edge (`edgeHub.messageQPS`), how many may go at once, and how much faster timers are. */
const LIMIT = 30;
const BURST = 60;
const TIME_SCALE = 3;
/** Devices, and set points of each. */
const SHAPES = [[1, 1000], [200, 5], [1000, 2]] as const;

const main = new URL("../../bin/skep.mjs", import.meta.url).pathname;
const folder = await mkdtemp(join(tmpdir(), "skep-bench-"));
try {
  for (const [devices, points] of SHAPES) await measure(devices, points);
} finally {
  await rm(folder, { recursive: true });
}

async function measure(devices: number, points: number): Promise<void> {
  const names = Array.from({ length: points }, (_, i) => `r${i}`);
  const model = {
    apiVersion: deviceApi,
    kind: "DeviceModel",
    metadata: { name: "plc" },
    spec: { protocol: "modbus", properties: names.map((name) => ({ name, type: "INT", accessMode: "ReadWrite" })) },
  };
  const all = Array.from({ length: devices }, (_, i) => ({
    apiVersion: deviceApi,
    kind: "Device",
    metadata: { name: `plc-${i}` },
    spec: {
      nodeName: "gw-0",
      deviceModelRef: { name: "plc" },
      protocol: { protocolName: "modbus" },
      properties: names.map((name) => ({ name, desired: { value: "1" }, reportToCloud: true })),
    },
  }));
  await writeFile(join(folder, "objects.yaml"), [model, ...all].map((each) => JSON.stringify(each)).join("\n---\n"));
  const object = (i: number) => ({ apiVersion: deviceApi, kind: "DeviceStatus", name: `plc-${i}` });
  const scenario = {
    skep: 1,
    name: `${devices} devices of ${points}`,
    timeout: "300s",
    fleet: [{ cohort: "gw", count: 1 }],
    steps: [
      { id: "applied", apply: "objects.yaml" },
      ...Array.from({ length: devices }, (_, i) => ({
        expect: { at: "kube", object: object(i), match: { status: { twins: { $length: points } } }, within: "250s" },
      })),
      {
        expect: {
          at: "messages",
          since: "applied",
          where: `hop == "hub.write" && resource.contains("/device/plc-")`,
          count: devices,
        },
      },
    ],
  };
  await writeFile(join(folder, "scenario.yaml"), JSON.stringify(scenario));
  const run = promisify(execFile);
  await run(process.execPath, [main, "run", "scenario.yaml", "--time-scale", `${TIME_SCALE}`, "--report", "report"], {
    cwd: folder,
  });
  const report = JSON.parse(await readFile(join(folder, "report", "report.json"), "utf8"));
  const seconds = report.scenarios[0].took / 1000;
  // A report for each set point, an acknowledgement for each device.
  const permitted = (devices * (points + 1) - BURST) / (LIMIT * TIME_SCALE);
  console.log(
    `${devices} devices of ${points} set points: all reported after ${
      seconds.toFixed(1)
    } s, the message limit permits ${permitted.toFixed(1)} s: ${
      (seconds / permitted).toFixed(2)
    } (at most 1.2); each device sent once`,
  );
}
