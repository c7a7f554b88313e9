// The fleet against bare `ws` clients with mutual TLS and certificates of their own, in one run: what an edge costs on top.
// Runs as a part of `npm run bench`; `--edges N` makes it shorter or longer.
import { parseArgs } from "node:util";
import { authorityOf, certificates } from "./certificates.ts";
import { Peer } from "./peers.ts";

const { values } = parseArgs({
  options: { edges: { type: "string", default: "1000" }, seconds: { type: "string", default: "30" } },
});
const EDGES = Number(values.edges);
const SECONDS = Number(values.seconds);
/** What an edge reads until it is Ready, about: so many messages of so many bytes. */
const MESSAGES = 6;
const BYTES = 3500;
/** Connections before memory is first looked at. */
const WARM = Math.min(100, EDGES / 2);

using api = new Peer();
using coreProcess = new Peer();
using bareProcess = new Peer();
using bareClients = new Peer();
using fleetProcess = new Peer();

const core = await coreProcess.call("core", await api.call("api"));
const authority = await authorityOf(core);
const nodes = await certificates(authority, Array.from({ length: EDGES }, (_, i) => `bare-${i}`));
const bare = await bareProcess.call("serve", {
  ca: authority.certPem,
  cert: core.server.certPem,
  key: core.server.keyPem,
});

await bareClients.call("connect", { port: bare.port, nodes: nodes.slice(0, WARM) });
const bareBefore = await bareClients.call("usage");
await bareClients.call("connect", { port: bare.port, nodes: nodes.slice(WARM) });
const bareAfter = await bareClients.call("usage");
// An edge reads some answers and its Node while it joins; TLS keeps a buffer for a connection that has read that much.
for (let i = 0; i < MESSAGES; i++) await bareProcess.call("broadcast", JSON.stringify({ text: "x".repeat(BYTES) }));
await new Promise((resolve) => setTimeout(resolve, 1000));
const bareRead = await bareClients.call("usage");

const edges = (from: number, count: number) =>
  fleetProcess.call("edges", { from, count, hub: core, authority: core.authority });
await edges(0, WARM);
const before = await fleetProcess.call("usage");
await edges(WARM, EDGES - WARM);
const joined = await fleetProcess.call("cpu");
const after = await fleetProcess.call("usage");

const kib = (bytes: number) => bytes / 1024 / (EDGES - WARM);
const silent = kib(bareAfter.rss - bareBefore.rss);
const floor = kib(bareRead.rss - bareBefore.rss);
const ours = kib(after.rss - before.rss);
console.log(
  `memory per edge of the fleet: ${ours.toFixed(0)} KiB, of which a bare client that has read as much takes ${
    floor.toFixed(0)
  } (${silent.toFixed(0)} before it has read anything); ours on top ${(ours - floor).toFixed(0)} (at most 40)`,
);
const rate = (seconds: number) => (EDGES - WARM) / seconds;
console.log(
  `joins per second of processor: ${
    rate(joined - before.cpu).toFixed(0)
  } (a certificate, the handshake, Node, status, lease); bare clients ${
    rate(bareAfter.cpu - bareBefore.cpu).toFixed(0)
  } (the handshake alone)`,
);
const idle = await fleetProcess.call("cpu");
await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
const busy = await fleetProcess.call("cpu") - idle;
console.log(`processor of ${EDGES} idle edges: ${(busy / SECONDS * 100).toFixed(1)} % of one (${SECONDS} s)`);
