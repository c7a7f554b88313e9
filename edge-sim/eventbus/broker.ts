// Where an edge and its mappers meet by MQTT: a broker in this process, or one that runs elsewhere.
import { SkepError } from "../../base/error/skep-error.ts";
import type { AddressInfo } from "node:net";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { limits } from "../../protocol/limits.ts";
import { packetLimit } from "./packet-limit.ts";

/** What an edge needs of a broker. */
export interface Broker {
  /** `mqtt://host:port`. */
  readonly url: string;
  /** Subscribes to a topic, including this edge's own publications. Rejects where the broker refuses. */
  subscribe(topic: string): Promise<void>;
  unsubscribe(topic: string): Promise<void>;
  publish(topic: string, payload: string): void;
  close(): Promise<void>;
}

/** A broker that can't be opened or reached. */
export class BrokerError extends SkepError {
  readonly code = "SKEP_BROKER";
}

/** Called with each message of a subscribed topic. */
export type OnMessage = (topic: string, payload: string) => void;

/** Milliseconds a mapper that doesn't read is waited for before it is disconnected. */
const DRAIN_MS = 1000;
/** Mappers and tools at one edge's broker at once. */
const MAX_CLIENTS = 100;

/** The return code of CONNACK (MQTT 3.1.1, 3.2.2.3). */
const IDENTIFIER_REJECTED = 2;

/** edgecore's internal broker: QoS 0, nothing retained, no session outlives its connection. Rejects with BrokerError where the port is taken. */
export async function internalBroker(
  at: { readonly host: string; readonly port: number },
  onMessage: OnMessage,
): Promise<Broker> {
  const { Aedes } = await import("aedes");
  const { createServer } = await import("node:net");
  const aedes = await Aedes.createBroker({
    drainTimeout: DRAIN_MS,
    // Aedes asks this of clients of MQTT 3.1 alone.
    maxClientsIdLength: limits.mqttClientId,
    authenticate({ id }, _username, _password, done) {
      if (id.length <= limits.mqttClientId) return done(null, true);
      const reason = new Error(`a client's id may have ${limits.mqttClientId} characters`);
      done(Object.assign(reason, { returnCode: IDENTIFIER_REJECTED }), false);
    },
    queueLimit: 100,
    preConnect(_client, packet, done) {
      // Queues for absent clients would have no bound.
      packet.clean = true;
      if (packet.will !== undefined) packet.will.retain = false;
      done(null, aedes.connectedClients < MAX_CLIENTS);
    },
    authorizePublish(_client, packet, done) {
      packet.retain = false;
      done(null);
    },
  });
  // A client that breaks the protocol is disconnected; nothing else to do.
  aedes.on("clientError", () => {});
  aedes.on("connectionError", () => {});
  const server = createServer((socket) => {
    packetLimit(socket, limits.mqttPacket);
    socket.on("error", () => {});
    aedes.handle(socket);
  });
  try {
    await listen(server, { host: at.host, port: at.port, exact: true });
  } catch (error) {
    await new Promise<void>((done) => aedes.close(() => done()));
    throw new BrokerError(`the MQTT broker can't listen on ${at.host}:${at.port}: ${(error as Error).message}`);
  }
  // One message that matches several subscriptions is delivered once.
  let last: unknown;
  const deliver = (packet: { topic: string; payload: string | Buffer }, done: () => void) => {
    if (packet !== last) onMessage(packet.topic, packet.payload.toString());
    last = packet;
    done();
  };
  return {
    url: `mqtt://${at.host}:${(server.address() as AddressInfo).port}`,
    subscribe: (topic) => new Promise((done) => aedes.subscribe(topic, deliver, done)),
    unsubscribe: (topic) => new Promise((done) => aedes.unsubscribe(topic, deliver, done)),
    publish: (topic, payload) =>
      aedes.publish({ cmd: "publish", topic, payload, qos: 0, retain: false, dup: false }, () => {}),
    async close() {
      await new Promise<void>((done) => aedes.close(() => done()));
      await closeServer(server);
    },
  };
}

/** Milliseconds in which an external broker must answer. */
const CONNECT_MS = 10_000;

/**
 * A broker that runs elsewhere, such as mosquitto: QoS 1, nothing retained, a clean session; a lost connection
 * is retried without end. Where the edge has had it before (`isKnown`) it is not waited for; else rejects with BrokerError where it doesn't answer.
 */
export async function externalBroker(
  url: string,
  node: string,
  onMessage: OnMessage,
  isKnown: boolean,
  signal: AbortSignal,
): Promise<Broker> {
  const { default: mqtt } = await import("mqtt");
  const topics = new Set<string>();
  const client = mqtt.connect(url.replace(/^tcp:/, "mqtt:"), {
    clientId: `hub-client-${node}`,
    clean: true,
    protocolVersion: 4,
    connectTimeout: CONNECT_MS,
    reconnectPeriod: 1000,
    resubscribe: false,
    // What could not be sent is lost, as with edgecore; the queue would have no bound.
    queueQoSZero: false,
  });
  client.on("error", () => {});
  client.on("message", (topic, payload) => onMessage(topic, payload.toString()));
  client.on("connect", () => void (topics.size > 0 && client.subscribe([...topics], { qos: 1 })));
  if (!isKnown) {
    const { promise, reject, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${CONNECT_MS / 1000} s`)), CONNECT_MS);
    client.once("connect", () => resolve());
    client.once("error", reject);
    client.once("close", () => reject(new Error("the connection was closed")));
    const stopped = () => reject(new Error("the edge was stopped"));
    signal.addEventListener("abort", stopped, { once: true });
    try {
      await promise;
    } catch (error) {
      await client.endAsync(true);
      throw new BrokerError(`the MQTT broker at ${url} can't be reached: ${(error as Error).message || "refused"}`);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stopped);
    }
  }
  return {
    url,
    async subscribe(topic) {
      topics.add(topic);
      if (client.connected) await client.subscribeAsync(topic, { qos: 1 });
    },
    async unsubscribe(topic) {
      topics.delete(topic);
      if (client.connected) await client.unsubscribeAsync(topic);
    },
    publish(topic, payload) {
      if (client.connected) client.publish(topic, payload, { qos: 1, retain: false });
    },
    close: () => client.endAsync(true),
  };
}
