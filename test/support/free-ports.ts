// Ports of this host that nothing listens on, for servers that can't choose one themselves.
import { type AddressInfo, createServer } from "node:net";

/** All of them different: they are taken together, then freed. `from`: this port alone, rejects where it is in use. */
export async function freePorts(count: number, from = 0): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  try {
    return await Promise.all(servers.map((server) =>
      new Promise<number>((resolve, reject) => {
        server.once("error", reject);
        server.listen(from, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
      })
    ));
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
