// EventBus and ServiceBus of an edge: a mapper's MQTT client, applications and services beside the edge, and the cloud's router.
import { createServer } from "node:http";
import { connect } from "node:net";
import mqtt from "mqtt";
import { describe, expect, onTestFinished, test } from "vitest";
import { closeServer, listen } from "../../base/transport/listen.ts";
import type { Edge, EdgeOptions } from "../../edge-sim/edge.ts";
import type { EdgeVersion } from "../../edge-sim/era/era.ts";
import { limits } from "../../protocol/limits.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { connectedEdge, edgeOfFakeCloud } from "../support/fake-cloud.ts";
import { until } from "../support/until.ts";
import { anyPort } from "../support/start.ts";

const internal = { internal: { host: "127.0.0.1", port: 0 } };

/** An edge with buses, its cloud, and what the edge says. */
async function edgeWithBuses(more: Partial<EdgeOptions> = { mqtt: internal }, version: EdgeVersion = "v1.23") {
  const { edge, said, send } = await connectedEdge({ timings: { reconnectWait: 50, dialRetry: 20 }, version, more });
  return {
    edge,
    said,
    /** The cloud's router says something to applications. */
    routes: (source: string, operation: string, resource: string, content: unknown = null) => {
      const message = newMessage(0, { source, group: "user", operation, resource, content });
      send(message);
      return message;
    },
    wins: (id: string) =>
      send(newMessage(0, {
        source: "devicecontroller",
        group: "twin",
        operation: "update",
        resource: "membership",
        content: {
          event_id: "",
          timestamp: 0,
          added_devices: [{ id, name: id.split("/").at(-1) }],
          removed_devices: null,
        },
      })),
    answers: (request: Message, content: unknown) =>
      send({
        header: { msg_id: "answer", parent_msg_id: request.header.msg_id, timestamp: 0 },
        route: { ...request.route, operation: "response" },
        content,
      }),
  };
}

/** A mapper's client, and what it hears on a topic. */
async function clientOf(edge: Edge, topics: string) {
  const client = await mqtt.connectAsync(edge.bus?.url ?? "", { protocolVersion: 4, reconnectPeriod: 0 });
  onTestFinished(() => client.endAsync(true));
  const heard: { readonly topic: string; readonly payload: string }[] = [];
  client.on("message", (topic, payload) => heard.push({ topic, payload: payload.toString() }));
  await client.subscribeAsync(topics, { qos: 1 });
  return { client, heard };
}

describe("a mapper with an MQTT client", () => {
  test("is sent its device, reports, is answered in order, and the cloud gets the reports", async () => {
    const { edge, said, wins } = await edgeWithBuses();
    const { client, heard } = await clientOf(edge, "$hw/events/#");
    wins("default/thermo-1");
    await until(
      "the membership",
      () => heard.some(({ topic }) => topic === "$hw/events/node/edge-0/membership/updated"),
    );
    const topic = "$hw/events/device/default/thermo-1/twin";
    heard.length = 0;
    const twin = { temperature: { expected: { value: "25" }, actual: { value: "23" } } };
    await client.publishAsync(`${topic}/update`, JSON.stringify({ event_id: "e1", timestamp: 0, twin }), { qos: 1 });
    await until("what the edge says", () => heard.length >= 4);
    expect(heard.map((message) => message.topic)).toEqual([
      `${topic}/update`,
      `${topic}/update/result`,
      `${topic}/update/document`,
      `${topic}/update/delta`,
    ]);
    const report = await until("the report", () => said.find(({ route }) => route.resource?.endsWith("edge_updated")));
    expect(report.content).toMatchObject({
      twin: {
        temperature: {
          expected: { value: "25" },
          actual: { value: "23" },
          expected_version: { cloud: 0, edge: 1 },
          actual_version: { cloud: 0, edge: 1 },
        },
      },
    });
    await client.publishAsync(`${topic}/get`, `{"event_id":"g1","timestamp":0}`);
    const answer = await until("the twin", () => heard.find((message) => message.topic === `${topic}/get/result`));
    expect(JSON.parse(answer.payload)).toMatchObject({
      event_id: "g1",
      twin: { temperature: { actual: { value: "23" } } },
    });
  });

  test("finds the broker at the same port after the edge has started again", async () => {
    const { edge } = await edgeWithBuses();
    const url = edge.bus?.url;
    await edge.stop();
    edge.start();
    await edge.bus?.opened;
    expect(edge.bus?.url).toBe(url);
  });

  test("is refused with an id that is longer than they may be", async () => {
    const { edge } = await edgeWithBuses();
    const url = edge.bus?.url ?? "";
    const options = { protocolVersion: 4, reconnectPeriod: 0 } as const;
    const longest = await mqtt.connectAsync(url, { ...options, clientId: "x".repeat(limits.mqttClientId) });
    await longest.endAsync();
    const tooLong = mqtt.connectAsync(url, { ...options, clientId: "x".repeat(limits.mqttClientId + 1) });
    await expect(tooLong).rejects.toThrow(/identifier rejected/i);
  });

  test("is disconnected where it announces a packet above the limit, before it has sent it; others stay", async () => {
    const { edge } = await edgeWithBuses();
    const { client } = await clientOf(edge, "a");
    const raw = connect(Number(new URL(edge.bus?.url ?? "").port), "127.0.0.1");
    onTestFinished(() => void raw.destroy());
    let isClosed = false;
    raw.on("close", () => isClosed = true).on("error", () => {});
    const length: number[] = [];
    for (let rest = limits.mqttPacket + 1; rest > 0; rest >>= 7) length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    raw.write(Uint8Array.from([0x30, ...length, 0, 1, 97]));
    await until("it is disconnected", () => isClosed);
    expect(client.connected).toBe(true);
  });

  test("of v1.1 knows devices by their names, and whether the cloud is there", async () => {
    const { edge, said, wins } = await edgeWithBuses({ mqtt: internal }, "v1.1");
    const { client, heard } = await clientOf(edge, "#");
    await client.subscribeAsync("$hw/events/#");
    wins("thermo-1");
    await until("the membership", () => heard.length > 0);
    const topic = "$hw/events/device/thermo-1/twin/update";
    await client.publishAsync(
      topic,
      JSON.stringify({ event_id: "", timestamp: 0, twin: { t: { actual: { value: "1" } } } }),
    );
    const report = await until("the report", () => said.find(({ route }) => route.resource?.endsWith("edge_updated")));
    expect(report.route.resource).toBe("device/thermo-1/twin/edge_updated");
    edge.link.put({ cut: "both" });
    await until("it is said", () => heard.find(({ payload }) => payload === "cloud_disconnected"));
    edge.link.heal();
    await until("it is said again", () => heard.find(({ payload }) => payload === "cloud_connected"));
    await client.publishAsync("$hw/events/upload/x", "hello");
    const up = await until("the upload", () => said.find(({ route }) => route.source === "bus"));
    expect([up.route.operation, up.route.resource, up.content]).toEqual([
      "response",
      "JGh3L2V2ZW50cy91cGxvYWQveA==",
      "hello",
    ]);
  });
});

describe("applications beside an edge", () => {
  test("what they publish on topics that are the cloud's goes up as it is; on others it goes nowhere", async () => {
    const { edge, said } = await edgeWithBuses();
    const { client } = await clientOf(edge, "nothing");
    for (const topic of ["other/x", "$hw/events/upload/a", "SYS/dis/upload_records", "app/user/x"]) {
      await client.publishAsync(topic, "hello", { qos: 1 });
    }
    const ups = () => said.filter(({ route }) => route.source === "bus");
    await until("the last", () => ups().some(({ route }) => route.resource === "app/user/x"));
    expect(ups().map(({ content, route }) => [route.group, route.operation, route.resource, content])).toEqual(
      ["$hw/events/upload/a", "SYS/dis/upload_records", "app/user/x"].map((t) => ["user", "upload", t, "hello"]),
    );
  });

  test("the cloud subscribes to topics, also across the edge's restart, until it has enough; it publishes, too", async () => {
    const { edge, routes, said } = await edgeWithBuses();
    routes("router_eventbus", "subscribe", "default/sensors");
    // It overlaps with what every edge listens to: still one message.
    routes("router_eventbus", "subscribe", "default/user/all");
    routes("router_eventbus", "publish", "t/one", `{"a":1}`);
    await until("it is kept", () => edge.store.get("edge/sub_topics/all")?.topics);
    await edge.stop();
    edge.start();
    await edge.bus?.opened;
    await until("it is back", () => edge.hub.isConnected);
    const { client, heard } = await clientOf(edge, "t/#");
    await client.publishAsync("default/sensors", "5", { qos: 1 });
    await client.publishAsync("default/user/all", "6", { qos: 1 });
    const ups = () => said.filter(({ route }) => route.source === "bus").map(({ content }) => content);
    await until("both", () => ups().length >= 2);
    routes("router_eventbus", "unsubscribe", "default/sensors");
    routes("router_eventbus", "publish", "t/one", `{"a":2}`);
    await until("it is published", () => heard.length > 0);
    expect(heard).toEqual([{ topic: "t/one", payload: `{"a":2}` }]);
    await client.publishAsync("default/sensors", "7", { qos: 1 });
    await client.publishAsync("default/user/all", "8", { qos: 1 });
    await until("the last", () => ups().includes("8"));
    expect(ups()).toEqual(["5", "6", "8"]);
  });

  test("what the cloud answers about their rights is published as it came; unknown messages are dropped", async () => {
    const { edge, routes } = await edgeWithBuses();
    const { heard } = await clientOf(edge, "$hw/events/node/#");
    routes("router_eventbus", "message", "x", { message: { topic: "y" } });
    routes("router_other", "publish", "x", "?");
    routes("router_eventbus", "get_result", "auth_info", { access: "a" });
    await until("it is published", () => heard.length > 0);
    expect(heard).toEqual([{ topic: "$hw/events/node/edge-0/authInfo/get/result", payload: `{"access":"a"}` }]);
  });
});

describe("at an edge's own broker", () => {
  test("nothing is retained, and nothing kept for clients that have disconnected", async () => {
    const { edge } = await edgeWithBuses();
    const options = { protocolVersion: 4, reconnectPeriod: 0, clientId: "app", clean: false } as const;
    const first = await mqtt.connectAsync(edge.bus?.url ?? "", options);
    await first.subscribeAsync("a/#", { qos: 1 });
    await first.endAsync(true);
    const { client } = await clientOf(edge, "nothing");
    await client.publishAsync("a/kept", "x", { qos: 1, retain: true });
    const heard: string[] = [];
    const again = await mqtt.connectAsync(edge.bus?.url ?? "", options);
    onTestFinished(() => again.endAsync(true));
    again.on("message", (topic) => heard.push(topic));
    await again.subscribeAsync("a/#", { qos: 1 });
    await client.publishAsync("a/now", "x", { qos: 1 });
    await until("what comes now", () => heard.length > 0);
    expect(heard).toEqual(["a/now"]);
  });

  test("a topic that the cloud may not use is ignored, and does no harm at the next start; the edge keeps its own", async () => {
    const { edge, routes, said } = await edgeWithBuses();
    for (const topic of ["default/a#b", "", "a/+b", "default/good"]) routes("router_eventbus", "subscribe", topic);
    routes("router_eventbus", "unsubscribe", "+/user/#");
    await until("they are dealt with", () => edge.store.get("edge/sub_topics/all")?.topics);
    expect(edge.store.get("edge/sub_topics/all")?.topics).toEqual(["default/good"]);
    await edge.stop();
    edge.start();
    await edge.opened;
    await until("it is back", () => edge.hub.isConnected);
    const { client } = await clientOf(edge, "nothing");
    await client.publishAsync("app/user/x", "hello", { qos: 1 });
    await until("the upload", () => said.some(({ route }) => route.resource === "app/user/x"));
  });

  test("a topic longer than a cloud takes goes nowhere", async () => {
    const { edge, said } = await edgeWithBuses();
    const { client } = await clientOf(edge, "nothing");
    await client.publishAsync(`a/user/${"x".repeat(limits.messageField)}`, "hello", { qos: 1 });
    await client.publishAsync("a/user/x", "hello", { qos: 1 });
    await until("the other one", () => said.some(({ route }) => route.source === "bus"));
    expect(said.filter(({ route }) => route.source === "bus").map(({ route }) => route.resource)).toEqual(["a/user/x"]);
  });

  test("what a mapper says beside a twin's fields does not travel on", async () => {
    const { edge, said, wins } = await edgeWithBuses();
    const { client } = await clientOf(edge, "nothing");
    wins("default/d");
    await until("the device", () => edge.devices.has("default/d"));
    const version = (cloud: number) => ({ cloud, edge: 0, x: [[["deep"]]] });
    const twin = (value: string, cloud: number) => ({
      t: { expected: { value, y: 1 }, metadata: { type: "string", z: 1 }, expected_version: version(cloud) },
    });
    for (const [value, cloud] of [["1", 5], ["2", 1]] as const) {
      const payload = JSON.stringify({ event_id: "", timestamp: 0, twin: twin(value, cloud) });
      await client.publishAsync("$hw/events/device/default/d/twin/cloud_updated", payload, { qos: 1 });
    }
    const report = await until("the refusal", () => said.find(({ route }) => route.resource?.endsWith("edge_updated")));
    expect(JSON.stringify(report.content)).not.toMatch(/deep|"[xyz]":/);
  });
});

test("an edge whose broker's port is taken says so", async () => {
  const { edge } = await edgeWithBuses();
  const port = Number(new URL(edge.bus?.url ?? "").port);
  const other = await edgeOfFakeCloud("edge-1", () => {}, {}, "v1.23", {
    mqtt: { internal: { host: "127.0.0.1", port } },
  });
  onTestFinished(other.stop);
  other.edge.start();
  await expect(other.edge.bus?.opened).rejects.toThrow(`can't listen on 127.0.0.1:${port}`);
});

describe("services beside an edge", () => {
  const serviceBus = { host: "127.0.0.1", port: 0 };

  /** A service that says what it was asked. */
  async function startService() {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => body += chunk);
      request.on("end", () => {
        response.writeHead(request.url === "/teapot" ? 418 : 200, { "x-mark": "1" });
        response.end(`${request.method} ${request.url} ${request.headers["x-asked"]} ${body}`);
      });
    });
    const port = await listen(server, anyPort);
    onTestFinished(() => closeServer(server));
    return port;
  }

  const decoded = ({ content }: Message) => {
    const { body, header, status_code } = content as { body: string; header: unknown; status_code: number };
    return { status: status_code, header, body: Buffer.from(body, "base64").toString() };
  };

  test("are called for the cloud, which gets their answer", async () => {
    const { routes, said } = await edgeWithBuses({ serviceBus });
    const port = await startService();
    const asked = {
      header: { "X-Asked": ["yes"] },
      body: Buffer.from("{}").toString("base64"),
      method: "POST",
      url: "",
    };
    const request = routes("router_servicebus", "POST", `${port}:/svc/tail?q=2`, asked);
    const answer = await until(
      "the answer",
      () => said.find(({ header }) => header.parent_msg_id === request.header.msg_id),
    );
    expect(answer.route).toEqual({ source: "servicebus", group: "user", operation: "upload" });
    expect(decoded(answer)).toMatchObject({
      status: 200,
      header: { "X-Mark": ["1"] },
      body: "POST /svc/tail?q=2 yes {}",
    });
  });

  test.each([
    ["a resource with two colons", () => "80:80:/x", 400],
    ["a port that names a machine", () => "80@example.com:/x", 400],
    ["a service that isn't there", () => "1:/x", 404],
  ])("%s is refused as edgecore refuses it: without an operation", async (_what, resource, status) => {
    const { routes, said } = await edgeWithBuses({ serviceBus });
    const request = routes("router_servicebus", "GET", resource(), { header: {}, body: "", method: "GET", url: "" });
    const answer = await until(
      "the answer",
      () => said.find(({ header }) => header.parent_msg_id === request.header.msg_id),
    );
    expect(answer.route).toEqual({ source: "servicebus", group: "user" });
    expect(decoded(answer)).toMatchObject({ status, header: { Server: ["kubeedge-edgecore"] } });
  });

  test("that don't end their answer, or give none that could be passed on, are given up", async () => {
    const { routes, said } = await edgeWithBuses({ serviceBus });
    const server = createServer();
    server.on("request", (_request, response) => response.writeHead(101).end());
    server.on(
      "upgrade",
      (_request, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
    );
    const port = await listen(server, anyPort);
    onTestFinished(() => closeServer(server));
    const header = { Upgrade: ["x"], Connection: ["Upgrade"] };
    const request = routes("router_servicebus", "GET", `${port}:/`, { header, body: "", method: "GET", url: "" });
    const answer = await until(
      "the answer",
      () => said.find(({ header }) => header.parent_msg_id === request.header.msg_id),
    );
    expect(decoded(answer).status).toBe(404);
  });

  test("are called a hundred at once at most; one that is answered makes room", async () => {
    const { routes, said } = await edgeWithBuses({ serviceBus });
    const waiting: (() => void)[] = [];
    const server = createServer((_request, response) => void waiting.push(() => response.end("late")));
    const port = await listen(server, anyPort);
    onTestFinished(() => closeServer(server));
    const call = () =>
      routes("router_servicebus", "GET", `${port}:/`, { header: {}, body: "", method: "GET", url: "" }).header.msg_id;
    const answerTo = (id: string) =>
      until("the answer", () => said.find(({ header }) => header.parent_msg_id === id)).then(decoded);
    const calls = Array.from({ length: limits.serviceCalls }, call);
    await until("all are being served", () => waiting.length === limits.serviceCalls);
    expect(await answerTo(call())).toMatchObject({
      status: 404,
      body: expect.stringMatching(/too many calls at once/),
    });
    expect(waiting).toHaveLength(limits.serviceCalls);
    for (const end of waiting.splice(0)) end();
    expect((await Promise.all(calls.map(answerTo))).every(({ status }) => status === 200)).toBe(true);
    const next = call();
    await until("the next is served", () => waiting.length === 1);
    waiting[0]?.();
    expect(await answerTo(next)).toMatchObject({ status: 200, body: "late" });
  });

  test("that answer more than 5 MiB, announced or not, are given up; one that keeps to it is served afterwards", async () => {
    const { routes, said } = await edgeWithBuses({ serviceBus });
    const long = Buffer.alloc(limits.serviceBody + 1, "x");
    const server = createServer((request, response) => {
      response.on("error", () => {});
      if (request.url === "/announced") response.setHeader("content-length", long.length);
      // Two pieces without a length are chunks.
      if (request.url !== "/short") response.write(long.subarray(0, 1024));
      response.end(request.url === "/short" ? "short" : long.subarray(1024));
    });
    const port = await listen(server, anyPort);
    onTestFinished(() => closeServer(server));
    const ask = async (path: string) => {
      const asked = { header: {}, body: "", method: "GET", url: "" };
      const { header } = routes("router_servicebus", "GET", `${port}:/${path}`, asked);
      return decoded(await until("the answer", () => said.find((each) => each.header.parent_msg_id === header.msg_id)));
    };
    expect(await ask("announced")).toMatchObject({ status: 500 });
    expect(await ask("unannounced")).toMatchObject({ status: 500 });
    expect(await ask("short")).toMatchObject({ status: 200, body: "short" });
  });

  test("that send the edge's endpoint more than 5 MiB are told so; the cloud hears nothing of it, and it serves on", async () => {
    const { edge, routes, said } = await edgeWithBuses({ serviceBus });
    routes("router_servicebus", "start", "http://cloud/x");
    const port = await until("the endpoint", () => edge.serviceBus?.port);
    const ask = async (body: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
      return (await answer.json()).msg;
    };
    // The client may see its own writing fail before it has read the answer.
    const payload = "x".repeat(limits.serviceBody);
    const told = await ask(JSON.stringify({ method: "POST", targetURL: "http://cloud/x", payload })).catch(String);
    expect(told).toMatch(/^can't read data from body|fetch failed/);
    expect(await ask(JSON.stringify({ targetURL: "http://cloud/other" }))).toMatch(/is not allowed/);
    expect(said.filter(({ route }) => route.source === "servicebus")).toEqual([]);
  });

  test("lose the endpoint when its last rule ends; that it ends twice does no harm", async () => {
    const { edge, routes } = await edgeWithBuses({ serviceBus });
    for (const _ of [1, 2]) {
      routes("router_servicebus", "start", "http://cloud/x");
      await until("the endpoint", () => edge.serviceBus?.port);
      routes("router_servicebus", "stop", "http://cloud/x");
      routes("router_servicebus", "stop", "http://cloud/x");
      await until("the endpoint is closed", () => edge.serviceBus?.port === 0);
    }
  });

  test("call the cloud over the edge's endpoint, for what a rule allows and while there is one", async () => {
    const { answers, edge, routes, said } = await edgeWithBuses({ serviceBus });
    expect(edge.serviceBus?.port).toBe(0);
    routes("router_servicebus", "start", "http://cloud/x");
    const port = await until("the endpoint", () => edge.serviceBus?.port);
    const ask = async (targetURL: string) => {
      const body = JSON.stringify({ method: "POST", targetURL, payload: { a: 1 } });
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
      return [answer.status, await answer.json()];
    };
    expect(await ask("http://cloud/other")).toEqual([200, {
      code: 400,
      msg: "url http://cloud/other is not allowed and please make a rule for this url in the cloud",
      body: "",
    }]);
    const answer = ask("http://cloud/x");
    const request = await until("the request", () => said.find(({ route }) => route.source === "servicebus"));
    expect([request.route.operation, request.route.resource]).toEqual(["upload", "http://cloud/x"]);
    expect(JSON.parse(Buffer.from(request.content as string, "base64").toString()).payload).toEqual({ a: 1 });
    expect(request.header.sync).toBe(true);
    const before = said.length;
    answers(request, "from the cloud");
    expect(await answer).toEqual([200, {
      code: 200,
      msg: "receive response from cloud successfully",
      body: "from the cloud",
    }]);
    expect(said.slice(before).filter(({ route }) => route.source === "servicebus"), "an answer is no call").toEqual([]);
    routes("router_servicebus", "stop", "http://cloud/x");
    await until("the endpoint is closed", () => edge.serviceBus?.port === 0);
  });
});
