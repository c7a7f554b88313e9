// A cloud whose time only the test moves: for what must happen at some time, or must not happen in any.
import { onTestFinished } from "vitest";
import { ManualClock } from "../../base/time/manual-clock.ts";
import type { CloudCoreConfig } from "../../cloud/config/config.ts";
import { processed } from "./nodes.ts";
import type { RawEdge } from "./raw-edge.ts";
import { type Cloud, startCloud } from "./start.ts";

/** Stopped with the test. Timers as in startCloud, but edges need no keepalive unless `config` says otherwise. */
export async function startStillCloud(config: Partial<CloudCoreConfig> = {}) {
  const clock = new ManualClock(Date.now());
  const cloud: Cloud = await startCloud({ config: { keepaliveInterval: 3_600_000, ...config }, api: { clock } });
  onTestFinished(() => cloud.stop());
  return {
    cloud,
    clock,
    /** Settles when `ms` have gone by for the cloud, and the edge has received what was sent to it meanwhile. */
    async pass(edge: RawEdge, ms: number): Promise<void> {
      clock.advance(ms);
      await processed(edge);
    },
  };
}
