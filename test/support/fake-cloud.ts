// A hub by hand: takes one edge's connection and says what the test wants, for what a cloud of ours never says.
import { createServer } from "node:https";
import { onTestFinished } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { closeServer, listen } from "../../base/transport/listen.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { acceptWebSockets } from "../../base/transport/websocket-server.ts";
import { Edge, type EdgeOptions } from "../../edge-sim/edge.ts";
import type { EdgeVersion } from "../../edge-sim/era/era.ts";
import { edgecoreTimings, type EdgeTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import { limits } from "../../protocol/limits.ts";
import { createAuthority, issueClient, issueServer } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { until } from "./until.ts";
import { anyPort } from "./start.ts";

/** What a started edge says to a cloud by hand, and how that answers; all is stopped with the test. */
export async function connectedEdge(
  options: {
    readonly timings?: Partial<EdgeTimings>;
    readonly version?: EdgeVersion;
    readonly more?: Partial<EdgeOptions>;
    readonly heard?: (message: Message, socket: MessageSocket) => void;
  } = {},
) {
  const said: Message[] = [];
  let socket: MessageSocket | undefined;
  const { edge, stop } = await edgeOfFakeCloud(
    "edge-0",
    (accepted) => {
      socket = accepted;
      accepted.onMessage((text) => {
        const message = decodeMessage(text);
        said.push(message);
        options.heard?.(message, accepted);
      });
    },
    options.timings,
    options.version,
    options.more,
  );
  onTestFinished(stop);
  edge.start();
  await edge.opened;
  await until("the edge is connected", () => edge.hub.isConnected);
  return {
    edge,
    said,
    send: (message: Message) => socket?.send(encodeMessage(message)),
    raw: (text: string) => socket?.send(text),
    drop: () => socket?.close(),
  };
}

/** An edge that is not started yet, and the hub it will connect to. Devices have no mapper. Timers are twenty times as fast. */
export async function edgeOfFakeCloud(
  node: string,
  accept: (socket: MessageSocket) => void,
  timings: Partial<EdgeTimings> = {},
  version: EdgeVersion = "v1.23",
  more: Partial<EdgeOptions> = {},
) {
  const clock = new TimerWheel();
  const authority = await createAuthority("KubeEdge", Date.now());
  const own = await issueServer(authority, { commonName: "cloud" }, ["127.0.0.1"], Date.now());
  const subject = { commonName: nodeCommonName(node), organization: nodeOrganization };
  const pair = await issueClient(authority, subject, Date.now());
  const server = createServer({ key: own.keyPem, cert: own.certPem });
  acceptWebSockets(server, { maxMessage: limits.message, maxFragments: limits.fragments }, { accept });
  const port = await listen(server, anyPort);
  const edge = new Edge({
    name: node,
    version,
    address: "127.0.0.1",
    hub: {
      host: "127.0.0.1",
      websocketPort: port,
      httpsPort: port,
      credentials: { ca: authority.certPem, cert: pair.certPem, key: pair.keyPem },
    },
    timings: { ...scaledTimings(edgecoreTimings, 20), ...timings },
    clock,
    random: new Random(1),
    logger: silentLogger,
    mapper: "passive",
    ...more,
  });
  const stop = async () => {
    await edge.stop();
    await closeServer(server);
  };
  return { edge, clock, stop };
}
