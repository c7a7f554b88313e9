// The life of modules: started one after another in the order given, stopped in the opposite one.
import { SkepError } from "../../base/error/skep-error.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import { type Bus, BusError, type BusMessage } from "./bus.ts";

/** A module of cloudcore. */
export interface Module {
  readonly name: string;
  /** The beehive group, where it differs from the name. */
  readonly group?: string;
  /** Settles when the module does its work; rejecting ends the process. */
  start(): Promise<void>;
  /** Called once for each message of the module's channel, in order, each after the last one settled. */
  receive?(message: BusMessage): void | Promise<void>;
  /** Finishes the work in progress and releases all resources; also called after a failed `start`. */
  stop(): Promise<void>;
}

/** Milliseconds for all modules together to stop, and the minimum for each; the total stays below five seconds. */
const STOP_DEADLINE_MS = 4000;
const STOP_LEAST_MS = 200;

/** A module that could not start. */
export class ModuleStartError extends SkepError {
  readonly code = "SKEP_MODULE_START";
  constructor(module: string, cause: unknown) {
    super(`module ${module} could not start: ${reasonOf(cause)}`, { cause });
  }
}

/** Starts modules and hands them their messages. One that fails is stopped too, and those before it. Returns a function that stops all of them. */
export async function startModules(
  bus: Bus,
  modules: readonly Module[],
  clock: Clock,
  logger: Logger,
): Promise<() => Promise<void>> {
  for (const module of modules) bus.addModule(module.name, module.group);
  const started: Module[] = [];
  const stop = async () => {
    const until = performance.now() + STOP_DEADLINE_MS;
    for (const module of started.toReversed()) {
      const stopped = new AbortController();
      const stopping = module.stop()
        .catch((error) => logger.error("a module failed to stop", { module: module.name, error: reasonOf(error) }))
        .finally(() => stopped.abort());
      const left = Math.max(STOP_LEAST_MS, until - performance.now());
      await Promise.race([stopping, sleep(clock, left, stopped.signal).catch(() => {})]);
      bus.cleanup(module.name);
    }
  };
  for (const module of modules) {
    // It counts as started from here on: a module whose start fails half-way has resources to release.
    started.push(module);
    try {
      await module.start();
    } catch (error) {
      await stop();
      throw new ModuleStartError(module.name, error);
    }
    if (module.receive !== undefined) void pump(bus, module, logger);
  }
  return stop;
}

async function pump(bus: Bus, module: Module, logger: Logger): Promise<void> {
  for (;;) {
    let message: BusMessage;
    try {
      message = await bus.receive(module.name);
    } catch (error) {
      if (error instanceof BusError) return; // the module has been cleaned up
      throw error;
    }
    try {
      await module.receive?.(message);
    } catch (error) {
      logger.error("a message could not be handled", {
        module: module.name,
        id: message.header.msg_id,
        resource: message.route.resource,
        error: reasonOf(error),
      });
    }
  }
}
