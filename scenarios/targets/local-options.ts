// How the local target is configured.
import type { Logger } from "../../base/log/logger.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";

/** How scenarios are run here. */
export interface LocalOptions {
  readonly logger: Logger;
  readonly timeScale: number;
  readonly bind: string;
  /** The first of a block of ports: API, hub, enrolment. Without it, or 0, each environment has a free block. */
  readonly port?: number;
  /** A cluster instead of the embedded API. */
  readonly kubeconfig?: string;
  /** A cloudcore that runs already, instead of ours. */
  readonly cloudcore?: HubAddress;
}
