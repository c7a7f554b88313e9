// EventBus: what mappers and applications publish goes to the twin or to the cloud, and back to them (KubeEdge v1.23 `edge/pkg/eventbus/eventbus.go`).
import type { Clock } from "../../base/time/clock.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { limits } from "../../protocol/limits.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { edgeModules, groups } from "../../protocol/message/names.ts";
import { isForTwin, nodeTopic, standingTopics } from "../../protocol/twin/topics.ts";
import type { EdgeEra } from "../era/edge-era.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import { type Broker, externalBroker, internalBroker } from "./broker.ts";

/** Which brokers an edge has; one of them, or both. */
export interface MqttSettings {
  /** A broker in this process. Port 0 is a free one; it stays the same when the edge starts again. */
  readonly internal?: { readonly host: string; readonly port: number };
  /** One that runs elsewhere, `tcp://host:port`. It must be this edge's alone. */
  readonly external?: string;
  /** Whether the last publication on each topic is kept, for `at: mqtt/NAME`. */
  readonly keepsLast?: boolean;
}

/** Injected dependencies. */
export interface EventBusDeps {
  readonly node: string;
  readonly era: EdgeEra;
  readonly mqtt: MqttSettings;
  readonly hub: EdgeHub;
  readonly store: EdgeStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Something for the twin. */
  readonly onPublish: (topic: string, payload: string) => void;
}

/** Where the store keeps the topics that the cloud has subscribed to. */
const TOPICS = "edge/sub_topics/all";
/** Topics whose last publication is kept, and its length (characters). */
const MAX_LAST = 1000;
const MAX_LAST_LENGTH = 65_536;
/** Topics the cloud may subscribe to at one edge. */
const MAX_TOPICS = 1000;

/** A topic filter: `#` only at its end, both wildcards only as whole levels (MQTT 3.1.1 §4.7). */
function isFilter(topic: string): boolean {
  const levels = topic.split("/");
  return topic !== "" && topic.length <= limits.messageField && !topic.includes("\u0000") &&
    levels.every((level, i) => level === "+" || (level === "#" && i === levels.length - 1) || !/[+#]/.test(level));
}

export class EventBus {
  readonly #deps: EventBusDeps;
  #brokers: Broker[] = [];
  #opening: Promise<void> = Promise.resolve();
  readonly #last = new Map<string, string>();
  #stopping = new AbortController();
  #hadExternal = false;
  #port: number;

  constructor(deps: EventBusDeps) {
    this.#deps = deps;
    this.#port = deps.mqtt.internal?.port ?? 0;
  }

  /** Where the broker in this process is, `mqtt://host:port`; empty where there is none, or it is not open. */
  get url(): string {
    return this.#deps.mqtt.internal === undefined ? "" : this.#brokers[0]?.url ?? "";
  }

  /** Of all its brokers that are open. */
  get urls(): readonly string[] {
    return this.#brokers.map(({ url }) => url);
  }

  /** Settles when its brokers are there, after the last `start`; rejects with BrokerError where they can't be reached or started. */
  get opened(): Promise<void> {
    return this.#opening;
  }

  start(): void {
    this.#stopping = new AbortController();
    this.#opening = this.#open(this.#stopping.signal);
    this.#opening.catch((error) => this.#deps.logger.error("the edge has no MQTT", { error: reasonOf(error) }));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#opening.catch(() => {});
    const brokers = this.#brokers;
    this.#brokers = [];
    await Promise.all(brokers.map((broker) => broker.close()));
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { era, mqtt, node } = this.#deps;
    const onPublish = (topic: string, payload: string) => this.#onPublish(topic, payload);
    const brokers: Broker[] = [];
    if (mqtt.internal !== undefined) {
      const broker = await internalBroker({ ...mqtt.internal, port: this.#port }, onPublish);
      this.#port = Number(new URL(broker.url).port);
      brokers.push(broker);
    }
    try {
      if (mqtt.external !== undefined) {
        brokers.push(await externalBroker(mqtt.external, node, onPublish, this.#hadExternal, signal));
        this.#hadExternal = true;
      }
      for (const broker of brokers) {
        for (const topic of standingTopics(era.segments)) await broker.subscribe(topic);
        for (const topic of this.#topics()) this.#tried(broker.subscribe(topic));
      }
    } catch (error) {
      await Promise.all(brokers.map((broker) => broker.close()));
      throw error;
    }
    this.#brokers = brokers;
  }

  /** Tells the mappers something; dropped while there is no broker. */
  publish(topic: string, payload: string): void {
    if (this.#deps.mqtt.keepsLast) this.#keepLast(topic, payload);
    for (const broker of this.#brokers) broker.publish(topic, payload);
  }

  #keepLast(topic: string, payload: string): void {
    this.#last.delete(topic);
    this.#last.set(topic, payload.slice(0, MAX_LAST_LENGTH));
    for (const oldest of this.#last.keys()) {
      if (this.#last.size <= MAX_LAST) break;
      this.#last.delete(oldest);
    }
  }

  /** What it has published last on a topic, where that is kept. */
  last(topic: string): string | undefined {
    return this.#last.get(topic);
  }

  /** The topics whose last publication is kept. */
  topics(): Iterable<string> {
    return this.#last.keys();
  }

  /** In v1.1 mappers are notified whether the cloud is connected. */
  connected(isConnected: boolean): void {
    if (this.#deps.era.announcesConnection) {
      this.publish("node/connection", isConnected ? "cloud_connected" : "cloud_disconnected");
    }
  }

  /** A message of the cloud for applications at the edge. What can't be interpreted is dropped. */
  receive({ content, route: { operation, resource = "" } }: Message): void {
    const { era, logger, node } = this.#deps;
    switch (operation) {
      case "subscribe":
        return this.#subscribe(resource);
      case "unsubscribe":
        return era.canUnsubscribe ? this.#unsubscribe(resource) : undefined;
      case "publish":
        return this.publish(resource, typeof content === "string" ? content : JSON.stringify(content));
      case "get_result":
        if (resource === "auth_info") this.publish(nodeTopic(node, "authInfo/get/result"), JSON.stringify(content));
        return;
      default:
        logger.debug("a message for applications was dropped", { operation, resource });
    }
  }

  #subscribe(topic: string): void {
    const topics = this.#topics();
    if (topics.includes(topic)) return;
    if (topics.length >= MAX_TOPICS || !isFilter(topic)) {
      this.#deps.logger.warn("the cloud subscribes to an invalid topic", { topic: topic.slice(0, 100) });
      return;
    }
    this.#keep([...topics, topic]);
    for (const broker of this.#brokers) this.#tried(broker.subscribe(topic));
  }

  #unsubscribe(topic: string): void {
    const topics = this.#topics();
    // The cloud must not cancel the edge's own subscriptions.
    if (!topics.includes(topic)) return;
    this.#keep(topics.filter((known) => known !== topic));
    if (standingTopics(this.#deps.era.segments).includes(topic)) return;
    for (const broker of this.#brokers) this.#tried(broker.unsubscribe(topic));
  }

  #tried(call: Promise<void>): void {
    call.catch((error) => this.#deps.logger.warn("the MQTT broker refused", { error: reasonOf(error) }));
  }

  #topics(): string[] {
    return (this.#deps.store.get(TOPICS)?.topics as string[] | undefined) ?? [];
  }

  #keep(topics: readonly string[]): void {
    this.#deps.store.put(TOPICS, { metadata: { name: "all" }, topics });
  }

  #onPublish(topic: string, payload: string): void {
    const { clock, era, onPublish, hub, logger } = this.#deps;
    if (isForTwin(topic)) {
      try {
        return onPublish(topic, payload);
      } catch (error) {
        // Whatever is wrong with it, the edge goes on.
        return logger.error("a mapper's message could not be processed", { topic, error: reasonOf(error) });
      }
    }
    const resource = era.resourceOf(topic);
    // A cloud would close the connection of an edge that sends more; and applications must not crowd out the edge's own messages.
    if (resource.length > limits.messageField || hub.held >= limits.edgeMessages / 2) {
      return logger.debug("an application's message was dropped", { topic: topic.slice(0, 100), held: hub.held });
    }
    hub.send(newMessage(clock.now(), {
      source: edgeModules.bus,
      group: groups.user,
      operation: era.uploadOperation,
      resource,
      content: payload,
    }));
  }
}
