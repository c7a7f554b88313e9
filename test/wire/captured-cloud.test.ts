// The captured run's edge side, played message by message against our cloudcore: does our cloud send what Go's sent?
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { strictGoNames } from "../../cloud/config/config.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { hasCode } from "../../cloud/kube/client.ts";
import { sleep } from "../../base/time/clock.ts";
import { encodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { comparable, contentDifferences, effectsOf, headOf, type Line, linesOf } from "../support/captured.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/world.ts";

const node = "edge-1";
/** Milliseconds after a step in which nothing more may come. */
const QUIET_MS = 150;
/** Milliseconds after which a message counts as missing, and as left out for a newer one. */
const MISSING_MS = 3000;
const OVERTAKEN_MS = 100;

const lines = linesOf("captured-v1.23.jsonl");
const exceptions = JSON.parse(readFileSync(new URL("captured-exceptions.json", import.meta.url), "utf8")) as {
  readonly absent: readonly string[];
};

/** An object as somebody would apply it: what the server adds is left out. */
function applied(object: KubeObject): KubeObject {
  const { status: _status, ...rest } = structuredClone(object) as Record<string, unknown> & KubeObject;
  const metadata = rest.metadata as unknown as Record<string, unknown>;
  for (const key of ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"]) {
    delete metadata[key];
  }
  return rest;
}

/** The content of the first captured message to the edge about that resource in a step. */
function sent(step: string, resource: string): KubeObject {
  const line = lines.find((l) =>
    l.step.startsWith(step) && l.dir === "cloud>edge" && l.message?.route.resource === resource
  );
  return line?.message?.content as KubeObject;
}

/** A field that only admission or defaulting in the API server puts in. */
function isAbsence(difference: string): boolean {
  const path = difference.slice(0, difference.indexOf(":")).replace(/^Object\./, "").replace(/\.\d+(?=\.|$)/g, ".*");
  return difference.endsWith("→ nothing") && exceptions.absent.includes(path);
}

/** An update of which a newer message about the same object follows at once may be left out, by Go's queues as by ours. */
function isOvertaken({ route }: Message, later: readonly Message[]): boolean {
  return route.operation === "update" &&
    later.some((next) =>
      next.route.resource === route.resource && ["update", "delete"].includes(next.route.operation ?? "")
    );
}

const recordQueries = [
  ["objectsyncs -A", resources.objectsyncs],
  ["clusterobjectsyncs", resources.clusterobjectsyncs],
] as const;

/** The objects that records name, and whether any version of them has been acknowledged. */
function recordsIn(records: readonly KubeObject[]): string[] {
  return records.map((record) => {
    const isAcked = !["", "0"].includes(textAt(record, "status", "objectResourceVersion"));
    return `${textAt(record, "spec", "objectKind").toLowerCase()}/${textAt(record, "spec", "objectName")}${
      isAcked ? "" : " never"
    }`;
  }).sort();
}

class Play {
  readonly #cloud: Cloud;
  #edge: RawEdge | undefined;
  #taken = new Set<Message>();
  readonly #ids = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  readonly findings: string[] = [];

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  async step(step: string, stimulus: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    const mine = lines.filter((line) => line.step.startsWith(step));
    await stimulus();
    for (const [i, line] of mine.entries()) await this.#line(line, mine.slice(i + 1));
    await sleep(this.#cloud.clock, QUIET_MS);
    const received = this.#edge?.received ?? [];
    for (const [i, message] of received.entries()) {
      const later = received.slice(i + 1);
      if (!this.#taken.has(message) && !isOvertaken(message, later)) {
        this.#finding(step, `additional: ${headOf(message)}`);
      }
      this.#taken.add(message);
    }
    await this.#compareRecords(step);
  }

  /** What counts as acknowledged: the records of both sides name the same objects. */
  async #compareRecords(step: string): Promise<void> {
    const effects = effectsOf(step);
    for (const [query, resource] of recordQueries) {
      const captured = effects.get(query);
      if (captured === undefined) continue;
      const wanted = recordsIn(captured as readonly KubeObject[]);
      const look = async () => recordsIn((await this.#cloud.kube.list(resource)).items);
      await until(query, async () => isDeepStrictEqual(await look(), wanted), MISSING_MS).catch(async () =>
        this.#finding(step, `${query}: ${wanted.join(", ")} → ${(await look()).join(", ")}`)
      );
    }
  }

  /** The connection breaks without a word. */
  cut(): void {
    this.#edge?.socket.close();
  }

  async #line(line: Line, later: readonly Line[]): Promise<void> {
    if (line.kind === "upgrade" && line.dir === "edge>cloud") {
      this.#edge = await rawEdge(this.#cloud, node);
      this.#taken = new Set();
    }
    if (line.kind === "tcp-close" && line.by === "edge") this.cut();
    if (line.kind === "tcp-close" && line.by === "cloud") {
      await until("the cloud closes the connection", () => this.#edge?.ended());
    }
    if (line.kind !== "text" || line.message === undefined) return;
    if (line.dir === "edge>cloud") return this.#send(line.message);
    const toEdge = later.filter(({ dir, kind }) => kind === "text" && dir === "cloud>edge").map((l) =>
      l.message as Message
    );
    await this.#expect(line, line.message, isOvertaken(line.message, toEdge));
  }

  /** Ids of the cloud's messages, uids and versions of objects are this run's. */
  #send(message: Message): void {
    const text = encodeMessage(message);
    const translated = [...this.#ids, ...this.#texts].reduce((all, [old, mine]) => all.replaceAll(old, mine), text);
    this.#edge?.sendText(translated);
  }

  async #expect({ seq, step }: Line, captured: Message, mayBeOvertaken: boolean): Promise<void> {
    const parent = captured.header.parent_msg_id;
    const isIt = (message: Message) =>
      !this.#taken.has(message) && message.route.operation === captured.route.operation &&
      message.route.resource === captured.route.resource &&
      (message.header.parent_msg_id ?? "") === (this.#ids.get(parent ?? "") ?? parent ?? "");
    const wait = mayBeOvertaken ? OVERTAKEN_MS : MISSING_MS;
    const ours = await until(headOf(captured), () => this.#edge?.received.find(isIt), wait).catch(() => undefined);
    if (ours === undefined && mayBeOvertaken) return;
    if (ours === undefined) return this.#finding(step, `missing (${seq}): ${headOf(captured)}`);
    this.#taken.add(ours);
    this.#ids.set(captured.header.msg_id, ours.header.msg_id);
    this.#learn(captured.content, ours.content);
    if (headOf(captured) !== headOf(ours)) this.#finding(step, `head (${seq}): ${headOf(captured)} → ${headOf(ours)}`);
    for (const difference of contentDifferences(comparable(captured.content), comparable(ours.content))) {
      if (isAbsence(difference)) continue;
      this.#finding(step, `content (${seq}) ${captured.route.operation} ${captured.route.resource}: ${difference}`);
    }
  }

  /** Which uid and which version stand for which. */
  #learn(captured: unknown, ours: unknown): void {
    const meta = (content: unknown) =>
      ((content as { Object?: KubeObject })?.Object ?? content as KubeObject | null)?.metadata;
    const [theirs, mine] = [meta(captured), meta(ours)];
    if (theirs?.uid !== undefined && mine?.uid !== undefined) this.#texts.set(theirs.uid, mine.uid);
    if (theirs?.resourceVersion !== undefined && mine?.resourceVersion !== undefined) {
      this.#texts.set(`"resourceVersion":"${theirs.resourceVersion}"`, `"resourceVersion":"${mine.resourceVersion}"`);
    }
  }

  #finding(step: string, what: string): void {
    this.findings.push(`${step.slice(0, 2)} ${what}`);
  }
}

describe("the edge side of the captured run, against our cloudcore", () => {
  test("every message of Go's cloud has its equal in ours, and there is no other", async () => {
    const strictGo = new Set(strictGoNames);
    // Slower than anything an edge does, as Go's five seconds are.
    const cloud = await startCloud({
      // As in the capture: nobody looks after nodes or collects garbage.
      api: { controllers: false },
      config: { keepaliveInterval: 60_000, ackRetry: 60_000, syncInterval: 1000, strictGo },
    });
    onTestFinished(() => cloud.stop());
    const { kube } = cloud;
    const create = async (object: KubeObject) => {
      const { kind } = object;
      const resource = await kube.resourceOf({ apiVersion: object.apiVersion ?? "v1", kind: kind ?? "" });
      await kube.create(resource, applied(object)).catch((error) => {
        if (!hasCode(error, 409)) throw error;
      });
    };
    const merge = async (object: KubeObject, part: (object: KubeObject) => unknown) => {
      const resource = await kube.resourceOf({ apiVersion: object.apiVersion ?? "v1", kind: object.kind ?? "" });
      await kube.patch({ resource, namespace: "default", name: object.metadata.name }, "merge", part(object));
    };
    const annotations = ({ metadata }: KubeObject) => ({
      annotations: metadata.annotations,
      labels: metadata.labels ?? null,
    });
    const data = (object: KubeObject) => ({ metadata: annotations(object), data: object.data });
    const spec = (object: KubeObject) => ({ metadata: annotations(object), spec: object.spec });
    const play = new Play(cloud);
    await play.step("01", () => Promise.resolve());
    const cm1 = sent("03", "default/configmap/cm-1");
    await play.step("02", async () => {
      await create(cm1);
      await create(sent("03", "default/secret/sec-1"));
      await create(sent("03", "default/configmap/kube-root-ca.crt"));
    });
    await play.step("03", () => create(sent("03", "default/pod/pod-1")));
    await play.step("04", () => merge(sent("04", "default/configmap/cm-1"), data));
    await play.step("05", () => merge(sent("05", "default/secret/sec-1"), data));
    await play.step("06", () => merge(sent("06", "default/pod/pod-1"), (pod) => ({ metadata: annotations(pod) })));
    await play.step("07", async () => {
      await create(sent("07", "default/configmap/cm-big"));
      await create(sent("07", "default/pod/pod-2"));
    });
    await play.step(
      "08",
      () => kube.delete({ resource: resources.pods, namespace: "default", name: "pod-2" }).then(() => {}),
    );
    await play.step(
      "09",
      () => kube.delete({ resource: resources.configmaps, namespace: "default", name: "cm-big" }).then(() => {}),
    );
    await play.step("10", async () => {
      await create(sent("10", "default/devicemodel/thermometer"));
      await create(sent("10", "default/device/sensor-1"));
    });
    await play.step("11", () => merge(sent("11", "default/device/sensor-1"), spec));
    for (const step of ["12", "13", "14", "15", "16"]) await play.step(step, () => Promise.resolve());
    await play.step("17", async () => {
      play.cut();
      await until("the hub notices", () => cloud.core.hub.sessions.size === 0);
      await merge(sent("17", "default/configmap/cm-1"), data);
    });
    await play.step("18", () => Promise.resolve());
    await until("the hub notices", () => cloud.core.hub.sessions.size === 0);
    await merge(sent("19", "default/configmap/cm-1"), data);
    await merge(sent("19", "default/pod/pod-1"), (pod) => ({ metadata: annotations(pod) }));
    await merge(sent("19", "default/device/sensor-1"), spec);
    await play.step("19", () => Promise.resolve());
    await play.step("20", async () => {
      await kube.delete({ resource: resources.devices, namespace: "default", name: "sensor-1" });
      await kube.delete({ resource: resources.devicemodels, namespace: "default", name: "thermometer" });
    });
    await play.step(
      "21",
      () =>
        kube.delete({ resource: resources.pods, namespace: "default", name: "pod-1" }, { gracePeriodSeconds: 0 }).then(
          () => {},
        ),
    );
    await play.step("22", () => kube.delete({ resource: resources.nodes, name: node }).then(() => {}));
    expect(play.findings).toEqual([]);
  }, 120_000);
});
