// What runs beside the API as kube-controller-manager and kube-scheduler do: each looks at the state and moves it on.
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import type { Resources } from "../resources.ts";
import type { StoreEvent } from "../storage/event.ts";

/** A controller of the embedded API. It reconciles from state; a change of what it watches only says "look". */
export interface Controller {
  readonly name: string;
  /** The tables whose changes make it look, or `*` for deletions of anything. */
  watches(): readonly string[] | "*";
  /** Whether it has to look after a change in one of its tables. Default: always. */
  isConcerned?(table: string, event: StoreEvent): boolean;
  reconcile(resources: Resources): void;
}

/** Runs the controllers after each change, once per burst. Returns the way to stop them. */
export function runControllers(resources: Resources, controllers: readonly Controller[], logger: Logger): () => void {
  const due = new Set<Controller>();
  let planned = false;
  let stopped = false;
  const run = () => {
    planned = false;
    if (stopped) return;
    for (const controller of [...due]) {
      due.delete(controller);
      try {
        controller.reconcile(resources);
      } catch (error) {
        // It reconciles again at the next change; the server must go on.
        logger.error("a controller failed", { controller: controller.name, error: reasonOf(error) });
      }
    }
  };
  const stop = resources.store.watchAll((table, event) => {
    for (const controller of controllers) {
      const watched = controller.watches();
      const ends = event.type === "DELETED" || event.object.metadata.deletionTimestamp !== undefined;
      if (!(watched === "*" ? ends : watched.includes(table))) continue;
      if (controller.isConcerned?.(table, event) ?? true) due.add(controller);
    }
    if (due.size === 0 || planned) return;
    planned = true;
    setImmediate(run);
  });
  return () => {
    stopped = true;
    stop();
  };
}
