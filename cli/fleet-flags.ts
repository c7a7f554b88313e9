// The flags of `skep fleet`, as commander gives them.
import type { TapSize } from "./ring.ts";
import type { Shard } from "../edge-sim/fleet/fleet.ts";
import type { HubFlags } from "./hub-address.ts";
import type { LogFlags } from "./log.ts";

export interface FleetFlags extends HubFlags, LogFlags {
  readonly kubeconfig?: string;
  readonly edges?: number;
  readonly prefix?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly cohorts?: string;
  readonly processes?: number;
  readonly shard?: Shard;
  readonly rate?: number;
  readonly tap?: TapSize;
  readonly data?: string;
  readonly seed?: number;
  readonly timeScale?: number;
  readonly json?: boolean;
}
