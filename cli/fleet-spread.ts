// How many edges this machine can have in one process, in words for the user of `skep fleet`.
import { edgesPerProcess, type Machine } from "../edge-sim/fleet/machine.ts";
import { UsageError } from "./failure.ts";

/** Throws UsageError where a process would have more edges than it may have descriptors for. */
export function refuseSpread(edges: number, processes: number, machine: Machine): void {
  const each = Math.ceil(edges / processes);
  if (each <= edgesPerProcess(machine)) return;
  throw new UsageError(
    `${each} edges in a process are too many here, where it may have ${machine.descriptors} descriptors (ulimit -n): say --processes ${
      Math.ceil(edges / edgesPerProcess(machine))
    } or more`,
  );
}

export function spreadLine(edges: number, processes: number, machine: Machine): string {
  const { descriptors, ports, processors } = machine;
  const known = [
    descriptors === undefined ? undefined : `${descriptors} descriptors a process`,
    ports === undefined ? undefined : `${ports} local ports to one hub`,
    `${processors} processors`,
  ].filter((fact) => fact !== undefined);
  const tooMany = ports !== undefined && edges > ports
    ? `; more than ${ports} edges can't be connected from one address: widen net.ipv4.ip_local_port_range, or use another machine too`
    : "";
  return `${edges} edges in ${processes} ${processes === 1 ? "process" : "processes"}; this machine has ${
    known.join(", ")
  }${tooMany}`;
}
