// Several cloudcores on one API, behind a balancer of TCP connections, as behind the Service of a Deployment.
import { connect, createServer, type Server, type Socket } from "node:net";
import { settleAll } from "../../base/error/settle-all.ts";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { StepFailure } from "../model/step-failure.ts";
import { type Cloud, noReplica } from "./clouds.ts";
import { holdBlock } from "./ports.ts";

/** Ports of a cloudcore's block: hub and enrolment. */
const HUB = 1;
const ENROLMENT = 2;

/** Makes one that listens at `port` + 1 and + 2. */
export type MakeCloud = (port: number) => Promise<Cloud>;

/**
 * `count` of them, seen as one at `port` + 1 and + 2. They are all started at once, also at the first start, when there is no CA yet. `stop`, `start` and
 * `freeze` take the number of one; without, they mean all.
 */
export async function replicatedCloud(
  make: MakeCloud,
  count: number,
  { bind, port }: { readonly bind: string; readonly port: number },
  cleanup: AsyncDisposableStack,
): Promise<Cloud> {
  const ports = await settleAll(Array.from({ length: count }, () => holdBlock(bind, cleanup)));
  const clouds = await settleAll(ports.map(make));
  const first = clouds[0] as Cloud;
  for (const offset of [HUB, ENROLMENT]) {
    const balancer = await balance(bind, port + offset, ports.map((each) => each + offset));
    cleanup.defer(() => balancer.close());
  }
  const chosen = (replica?: number): readonly Cloud[] => {
    if (replica === undefined) return clouds;
    const one = clouds[replica];
    if (one === undefined) throw new StepFailure(noReplica(replica, count));
    return [one];
  };
  return {
    start: async (replica) => void await settleAll(chosen(replica).map((cloud) => cloud.start())),
    stop: async (kill, replica) => void await settleAll(chosen(replica).map((cloud) => cloud.stop(kill))),
    ...(first.freeze === undefined ? {} : {
      freeze(isFrozen: boolean, replica?: number) {
        for (const cloud of chosen(replica)) cloud.freeze?.(isFrozen);
      },
    }),
    async address(kube) {
      return { ...await first.address(kube), websocketPort: port + HUB, httpsPort: port + ENROLMENT };
    },
    get certificatesTook() {
      return Math.max(...clouds.map(({ certificatesTook }) => certificatesTook));
    },
    async metrics() {
      const sums: Record<string, number> = {};
      const all = await Promise.all(clouds.map((cloud) => cloud.metrics()));
      // What is not known of one is not known of all.
      if (all.some((one) => Object.keys(one).length === 0)) return {};
      for (const one of all) {
        for (const [name, value] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + value;
      }
      return sums;
    },
    // What one knows is not what all know.
    inspector: () => undefined,
    legacyCredentials: () => first.legacyCredentials(),
    csi: undefined,
  };
}

/** Forwards each connection to the next of the ports that takes it. */
async function balance(host: string, port: number, backends: readonly number[]): Promise<{ close(): Promise<void> }> {
  let next = 0;
  const open = new Set<Socket>();
  const forward = (client: Socket, tries: number) => {
    const backend = connect(backends[next++ % backends.length] as number, host === "0.0.0.0" ? "127.0.0.1" : host);
    let isThere = false;
    backend.once("connect", () => {
      isThere = true;
      client.pipe(backend).pipe(client);
    });
    backend.on("error", () => {
      if (isThere || tries <= 1) client.destroy();
      else forward(client, tries - 1);
    });
    backend.on("close", () => isThere && client.destroy());
    client.once("close", () => backend.destroy());
  };
  const server: Server = createServer((client) => {
    open.add(client);
    client.on("error", () => client.destroy());
    client.on("close", () => open.delete(client));
    forward(client, backends.length);
  });
  await listen(server, { host, port, exact: true });
  return {
    async close() {
      for (const client of open) client.destroy();
      await closeServer(server);
    },
  };
}
