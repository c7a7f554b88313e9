// mosquitto as an edge's external broker: Debian's package as a process, and in a container.
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import mqtt from "mqtt";
import { describe, expect, onTestFinished, test } from "vitest";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { workFolder } from "../support/command.ts";
import { edgeOfFakeCloud } from "../support/fake-cloud.ts";
import { freePorts } from "../support/free-ports.ts";
import { buildMosquitto, mosquittoProgram } from "../support/mosquitto-image.ts";
import { until } from "../support/until.ts";

const program = mosquittoProgram;
const hasDocker = spawnSync("docker", ["version"]).status === 0;
const missing = (what: string, is: boolean) => is ? "" : ` [needs ${what}, which is not on this machine]`;

const config = (port: number, user: string) =>
  `listener ${port}\nallow_anonymous true\npersistence false\nuser ${user}\n`;

async function answers(url: string): Promise<void> {
  await until("the broker answers", async () => {
    const client = await mqtt.connectAsync(url.replace("tcp:", "mqtt:"), { reconnectPeriod: 0 });
    await client.endAsync(true);
    return true;
  });
}

/** A mapper at that broker is sent its device and reports; the edge outlives the broker's absence. */
async function mapperAt(url: string, restart: () => Promise<void>): Promise<void> {
  const said: Message[] = [];
  const sends: ((message: Message) => void)[] = [];
  const fake = await edgeOfFakeCloud(
    "edge-0",
    (socket) => {
      socket.onMessage((text) => said.push(decodeMessage(text)));
      sends.push((message) => socket.send(encodeMessage(message)));
    },
    {},
    "v1.23",
    { mqtt: { external: url } },
  );
  onTestFinished(fake.stop);
  const mapper = await mqtt.connectAsync(url.replace("tcp:", "mqtt:"), { reconnectPeriod: 100 });
  onTestFinished(() => mapper.endAsync(true));
  const heard: { readonly topic: string; readonly payload: string; readonly retain: boolean; readonly qos: number }[] =
    [];
  mapper.on(
    "message",
    (topic, payload, { qos, retain }) => heard.push({ topic, payload: String(payload), retain, qos }),
  );
  await mapper.subscribeAsync("$hw/events/#", { qos: 1 });
  fake.edge.start();
  await fake.edge.opened;
  await until("the edge is connected", () => sends.length > 0);
  sends[0]?.(newMessage(0, {
    source: "devicecontroller",
    group: "twin",
    operation: "update",
    resource: "membership",
    content: { added_devices: [{ id: "default/thermo-1", name: "thermo-1" }], removed_devices: null },
  }));
  await until("the membership", () => heard.find(({ topic }) => topic === "$hw/events/node/edge-0/membership/updated"));
  const topic = "$hw/events/device/default/thermo-1/twin/update";
  const reports = () => said.filter(({ route }) => route.resource === "device/default/thermo-1/twin/edge_updated");
  const report = (value: string) =>
    mapper.publishAsync(topic, JSON.stringify({ event_id: "", timestamp: 0, twin: { t: { actual: { value } } } }), {
      qos: 1,
    });
  await report("21");
  await until("the report", () => reports().length === 1);
  const result = await until("the result", () => heard.find((message) => message.topic === `${topic}/result`));
  expect([result.retain, result.qos]).toEqual([false, 1]);
  await restart();
  await until("the edge listens again", async () => {
    await report("22");
    return reports().length > 1;
  });
}

describe.skipIf(program === undefined)(`mosquitto as a process${missing("mosquitto", program !== undefined)}`, () => {
  test("a mapper at it is sent its device and reports, also after the broker was away", async () => {
    const folder = workFolder();
    onTestFinished(() => folder.remove());
    const [port = 0] = await freePorts(1);
    writeFileSync(join(folder.path, "mosquitto.conf"), config(port, "root"));
    let child: ChildProcess | undefined;
    const start = async () => {
      child = spawn(program as string, ["-c", join(folder.path, "mosquitto.conf")], { stdio: "ignore" });
      await answers(`tcp://127.0.0.1:${port}`);
    };
    onTestFinished(() => void child?.kill());
    await start();
    await mapperAt(`tcp://127.0.0.1:${port}`, async () => {
      const gone = new Promise((resolve) => child?.once("exit", resolve));
      child?.kill();
      await gone;
      await start();
    });
  });
});

const canContain = program !== undefined && hasDocker;
const needs = hasDocker ? missing("mosquitto, to make an image of", program !== undefined) : missing("Docker", false);

describe.skipIf(!canContain)(`mosquitto in a container${needs}`, () => {
  test(
    "a mapper at it is sent its device and reports, also after the broker was away",
    { timeout: 120_000 },
    async () => {
      process.env.TESTCONTAINERS_RYUK_DISABLED = "true";
      const { Wait } = await import("testcontainers");
      const folder = workFolder();
      onTestFinished(() => folder.remove());
      const image = await buildMosquitto(folder.path, config(1883, "root"));
      const [port = 0] = await freePorts(1);
      const container = await image.withExposedPorts({ container: 1883, host: port })
        .withWaitStrategy(Wait.forLogMessage(/mosquitto version .* running/)).start();
      onTestFinished(async () => void await container.stop());
      const url = `tcp://${container.getHost()}:${port}`;
      await mapperAt(url, async () => {
        // testcontainers' restart waits for what is logged after Docker has noted the start: a quick program has logged it before.
        await promisify(execFile)("docker", ["restart", "-t", "0", container.getId()]);
        await answers(url);
      });
    },
  );
});
