// A TCP forwarder that takes its time: an API server that is far away.
import { connect, createServer, type Socket } from "node:net";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { anyPort } from "./start.ts";

/** Forwards to a port of this machine, each piece `ms` late in either direction. */
export async function slowTcp(target: number, ms: number): Promise<AsyncDisposable & { readonly port: number }> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]] as const) {
      open.add(from);
      from.on("data", (chunk) => setTimeout(() => to.writable && to.write(chunk), ms));
      from.on("error", () => to.destroy());
      from.once("close", () => {
        open.delete(from);
        setTimeout(() => to.destroy(), ms);
      });
    }
  });
  const port = await listen(server, anyPort);
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await closeServer(server);
    },
  };
}
