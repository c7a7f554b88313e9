// The CSI driver's socket: one JSON document in, one out, and what a driver that breaks the rules costs.
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../protocol/limits.ts";
import type { Message } from "../../protocol/message/message.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
let dir = "";
let socketPath = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "skep-csi-"));
  socketPath = join(dir, "deep", "kubeedge.sock");
  cloud = await startCloud({ unixsocket: socketPath });
});
afterAll(async () => {
  await cloud.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Writes the pieces one after another, as a driver does, and reads until the server closes. */
function ask(...pieces: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(socketPath, () => {
      pieces.forEach((piece, i) => setTimeout(() => socket.write(piece), i * 20));
    });
    socket.on("data", (chunk) => answer += String(chunk));
    socket.once("error", reject);
    socket.once("close", () => resolve(answer));
  });
}

function request(
  node: string,
  operation: string,
  volume: string,
  content: unknown,
  id: string = crypto.randomUUID(),
): string {
  return JSON.stringify({
    header: { msg_id: id, timestamp: 1700000000123 },
    route: { source: "cloudhub", group: "resource", operation, resource: `node/${node}/default/volume/${volume}` },
    content: JSON.stringify(content),
  });
}

const parsed = (text: string) => JSON.parse(text) as Message;
const csi = (answer: Message) => JSON.parse(Buffer.from(answer.content as string, "base64").toString("utf8"));

describe("the four operations", () => {
  test("reach the named edge, which makes, attaches, detaches and removes the volume, and answers", async () => {
    const fleet = await cloud.fleet(2, "csi");
    const edge = fleet.get("csi-0");
    const volume = () => edge?.volumes.all.get("v1");
    const id = crypto.randomUUID();
    const made = parsed(
      await ask(
        request("csi-0", "createvolume", "v1", { name: "pvc-1", capacityRange: { requiredBytes: "1024" } }, id),
      ),
    );
    expect(made.header.parent_msg_id).toBe(id);
    expect(made.route).toEqual({
      source: "cloudhub",
      group: "resource",
      operation: "response",
      resource: "default/volume/v1",
    });
    expect(csi(made)).toEqual({ volume: { capacity_bytes: 1024, volume_id: "v1" } });
    expect(volume()).toMatchObject({ name: "pvc-1", capacity: 1024 });
    await ask(request("csi-0", "controllerpublishvolume", "v1", { volumeId: "v1", nodeId: "csi-0" }));
    expect([...volume()?.publishedTo ?? []]).toEqual(["csi-0"]);
    await ask(request("csi-0", "controllerunpublishvolume", "v1", { volumeId: "v1", nodeId: "csi-0" }));
    expect([...volume()?.publishedTo ?? []]).toEqual([]);
    expect(csi(parsed(await ask(request("csi-0", "deletevolume", "v1", { volumeId: "v1" }))))).toEqual({});
    expect(volume()).toBeUndefined();
    expect(fleet.get("csi-1")?.volumes.all.size).toBe(0);
  });

  test("what the edge can't do comes back as an error with its reason", async () => {
    const answer = parsed(await ask(request("csi-0", "controllerpublishvolume", "none", { nodeId: "csi-0" })));
    expect(answer.route.operation).toBe("error");
    expect(answer.content).toContain("volume none does not exist");
  });

  test("the edge gets the message once, its path without the node, all else unchanged; its answer comes out as it was", async () => {
    const edge = await rawEdge(cloud, "csi-raw");
    const id = crypto.randomUUID();
    const asked = ask(request("csi-raw", "createvolume", "v2", { name: "p" }, id));
    const got = await edge.expect("the operation", ({ route }) => route.operation === "createvolume");
    expect(got).toEqual({
      header: { msg_id: id, timestamp: 1700000000123 },
      route: { source: "cloudhub", group: "resource", operation: "createvolume", resource: "default/volume/v2" },
      content: '{"name":"p"}',
    });
    const answer = edge.send({
      operation: "response",
      source: "cloudhub",
      group: "resource",
      resource: "default/volume/v2",
      parent: id,
      content: "e30=",
    });
    expect(parsed(await asked)).toEqual(answer);
    expect(edge.received.filter(({ route }) => route.operation === "createvolume")).toHaveLength(1);
    edge.close();
  });

  test("another edge can't answer for it; an answer without a waiting request is dropped", async () => {
    const [edge, other] = [await rawEdge(cloud, "csi-a"), await rawEdge(cloud, "csi-b")];
    const id = crypto.randomUUID();
    const asked = ask(request("csi-a", "createvolume", "v3", {}, id));
    await edge.expect("the operation", ({ route }) => route.operation === "createvolume");
    const answer = {
      operation: "response",
      source: "cloudhub",
      group: "resource",
      resource: "default/volume/v3",
      parent: id,
    };
    other.send({ ...answer, content: "forged" });
    other.send({ ...answer, parent: "nobody", content: "forged" });
    const query = other.send({ operation: "query", resource: "k8s/ca.crt", content: null });
    await other.expect("the CA", ({ header }) => header.parent_msg_id === query.header.msg_id);
    edge.send({ ...answer, content: "e30=" });
    expect(parsed(await asked).content).toBe("e30=");
    edge.close();
    other.close();
  });

  test("a node that is not connected, and one that disconnects before it has answered, are errors at once", async () => {
    const id = crypto.randomUUID();
    const answer = parsed(await ask(request("nowhere", "createvolume", "v4", {}, id)));
    expect(answer).toMatchObject({
      header: { parent_msg_id: id },
      route: { source: "cloudhub", group: "resource", operation: "error", resource: "node/nowhere/default/volume/v4" },
      content: "node nowhere is not connected",
    });
    const edge = await rawEdge(cloud, "csi-gone");
    const asked = ask(request("csi-gone", "createvolume", "v5", {}));
    await edge.expect("the operation", ({ route }) => route.operation === "createvolume");
    edge.close();
    expect(parsed(await asked).content).toBe("node csi-gone has gone without an answer");
  });

  test("a question whose id is being waited for is refused, and not sent to the edge", async () => {
    const edge = await rawEdge(cloud, "csi-twice");
    const id = crypto.randomUUID();
    const first = ask(request("csi-twice", "createvolume", "v7", {}, id));
    await edge.expect("the operation", ({ route }) => route.operation === "createvolume");
    expect(parsed(await ask(request("csi-twice", "deletevolume", "v7", {}, id))).content).toContain(
      "is being waited for already",
    );
    edge.send({
      operation: "response",
      source: "cloudhub",
      group: "resource",
      resource: "default/volume/v7",
      parent: id,
      content: "e30=",
    });
    await first;
    expect(edge.received.filter(({ route }) => route.resource === "default/volume/v7")).toHaveLength(1);
    edge.close();
  });

  test("a document that comes in pieces is one document", async () => {
    const whole = request("nowhere", "createvolume", "v6", { name: "x" });
    const answer = parsed(await ask(whole.slice(0, 40), whole.slice(40, 41), whole.slice(41)));
    expect(answer.content).toBe("node nowhere is not connected");
  });

  test("many drivers at once get each their own answer", async () => {
    const ids = Array.from({ length: 40 }, () => crypto.randomUUID());
    const answers = await Promise.all(ids.map((id, i) => ask(request("csi-1", "createvolume", `m${i}`, {}, id))));
    expect(answers.map((answer) => parsed(answer).header.parent_msg_id)).toEqual(ids);
  });
});

describe("a driver that breaks the rules", () => {
  test.each([
    ["null", "null", 'operation "" is none of'],
    ["an empty list", "[]", "the message must be an object"],
    ["half a document", '{"header":{"msg_id":"x"', "JSON"],
    ["11 KB", `{"header":{"msg_id":"${"x".repeat(11_000)}"}}`, "longer than 10480 bytes"],
    ["a bare word", "hello", "JSON"],
    ["another operation", request("csi-0", "explode", "v", {}), 'operation "explode" is none of createvolume'],
    [
      "another path",
      request("csi-0", "createvolume", "v", {}).replace("default/volume", "default/pod"),
      "is not node/NODE/default/volume/VOLUME",
    ],
    ["no id", request("csi-0", "createvolume", "v", {}, ""), "header.msg_id is empty"],
  ])("%s is answered with an error", async (_name, text, reason) => {
    const answer = parsed(await ask(text));
    expect(answer.route).toMatchObject({ source: "cloudhub", operation: "error" });
    expect(String(answer.content)).toContain(reason);
  });

  test("a silent peer delays no other, and one that closes without a request gets no answer", async () => {
    const silent = connect(socketPath);
    await new Promise((resolve) => silent.once("connect", resolve));
    expect(parsed(await ask(request("nowhere", "createvolume", "v", {}))).route.operation).toBe("error");
    let said = "";
    silent.on("data", (chunk) => said += String(chunk));
    silent.end();
    await new Promise((resolve) => silent.once("close", resolve));
    expect(said).toBe("");
  });
});

describe("the socket", () => {
  test("one connection more than there may be is closed, and one that ends makes room", async () => {
    const dial = () => {
      const socket = connect(socketPath);
      socket.on("error", () => {});
      return socket;
    };
    const open = Array.from({ length: limits.csiConnections }, dial);
    await until("they are open", () => open.every(({ connecting }) => !connecting));
    const more = dial();
    await until("one more is closed", () => more.closed);
    expect(open.filter(({ closed }) => closed)).toEqual([]);
    for (const socket of open) socket.destroy();
    await until("there is room again", async () => (await ask(request("none", "createvolume", "v", {}))) !== "");
  });

  test("its folders are made, a file that is in the way is replaced, and it is removed when cloudcore stops", async () => {
    const path = join(dir, "other", "s.sock");
    const first = await startCloud({ unixsocket: path });
    expect((await stat(path)).isSocket()).toBe(true);
    await first.stop();
    await expect(stat(path)).rejects.toThrow("ENOENT");
    await writeFile(path, "left over");
    const second = await startCloud({ unixsocket: path });
    await until("it is a socket", async () => (await stat(path)).isSocket());
    await second.stop();
  });

  test("an unusable path ends the start, with what to do", async () => {
    await expect(startCloud({ unixsocket: join(dir, "deep", "kubeedge.sock", "below") })).rejects.toThrow(
      /can't listen on unix:\/\/.*modules.cloudHub.unixsocket.address/,
    );
  });
});
