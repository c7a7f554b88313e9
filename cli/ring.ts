// The ring of a command's hops, as `--tap` has it.
import { HopRing } from "../base/hop/ring.ts";
import { limits } from "../protocol/limits.ts";

/** Bytes of hops that are kept, or `off`: none until somebody looks. */
export type TapSize = number | "off";

export function ringOf(size: TapSize): HopRing {
  return size === "off" ? new HopRing(limits.hopBytes, { isOnDemand: true }) : new HopRing(size);
}
