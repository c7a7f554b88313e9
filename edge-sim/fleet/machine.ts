// What this machine allows a fleet: descriptors of a process, and local ports to one address.
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";

/** Undefined where the system doesn't tell (other systems than Linux). */
export interface Machine {
  /** Files and sockets that one process may have open. */
  readonly descriptors: number | undefined;
  /** Connections that one address of this machine may have to one port of another. */
  readonly ports: number | undefined;
  readonly processors: number;
}

/** Descriptors that a process needs beside its edges' sockets. */
const RESERVE = 1000;
/** Edges from which on a second process is worth its start. */
const EDGES_PER_PROCESS = 500;
/** Edges from which on a second hub is, and processors that a hub needs with its part of the API's and the fleet's work. */
const EDGES_PER_HUB = 5000;
const PROCESSORS_PER_HUB = 4;
/** Of a local port range, what is left to other connections of this machine. */
const PORTS_TO_OTHERS = 1000;

export async function machineOf(): Promise<Machine> {
  const read = (file: string) => readFile(file, "utf8").catch(() => "");
  const [limits, range] = await Promise.all([
    read("/proc/self/limits"),
    read("/proc/sys/net/ipv4/ip_local_port_range"),
  ]);
  const [, descriptors] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  const [low, high] = range.trim().split(/\s+/).map(Number);
  return {
    descriptors: descriptors === undefined ? undefined : Number(descriptors),
    ports: low === undefined || high === undefined ? undefined : high - low + 1,
    processors: availableParallelism(),
  };
}

/** How many edges a process of this machine can have; Infinity where the system doesn't tell. */
export function edgesPerProcess({ descriptors }: Machine): number {
  return descriptors === undefined ? Infinity : Math.max(1, descriptors - RESERVE);
}

/** How many processes a number of edges is spread over: as many as their descriptors need, and as processors can use. */
export function processesFor(edges: number, machine: Machine): number {
  const worth = Math.min(machine.processors, Math.ceil(edges / EDGES_PER_PROCESS));
  return Math.max(1, worth, Math.ceil(edges / edgesPerProcess(machine)));
}

/** How many hubs side by side a number of edges is worth here. */
export function hubsFor(edges: number, { processors }: Machine): number {
  return Math.max(1, Math.min(Math.floor(processors / PROCESSORS_PER_HUB), Math.ceil(edges / EDGES_PER_HUB)));
}

/**
 * Addresses of this machine to connect from, where one has too few ports for so many connections to a hub; none where the system's
 * choice will do. Each address of 127.0.0.0/8 is this machine's own on Linux; to another host only the user can name further ones.
 */
export function sourceAddressesFor(connections: number, host: string, { ports }: Machine): string[] {
  const isLoopback = host === "localhost" || host.startsWith("127.") || host === "0.0.0.0";
  if (ports === undefined || !isLoopback || connections <= ports - PORTS_TO_OTHERS) return [];
  const count = Math.min(250, Math.ceil(connections / Math.max(1, ports - PORTS_TO_OTHERS)));
  return Array.from({ length: count }, (_, i) => `127.0.0.${i + 1}`);
}
