// A hub by hand: takes one edge's connection and says what the test wants, for what a cloud of ours never says.
import { createServer } from "node:https";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { closeServer, listen } from "../../base/transport/listen.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { acceptWebSockets } from "../../base/transport/websocket-server.ts";
import { Edge, type EdgeOptions, type EdgeVersion } from "../../edge-sim/edge.ts";
import { edgecoreTimings, type EdgeTimings, scaledTimings } from "../../edge-sim/timings.ts";
import { limits } from "../../protocol/limits.ts";
import { createAuthority, issueClient, issueServer } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { anyPort } from "./world.ts";

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
