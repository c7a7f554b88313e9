// What runs beside the API as kube-controller-manager and kube-scheduler do.
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import type { Clock } from "../../../base/time/clock.ts";
import type { Resources } from "../resources.ts";
import type { StoreEvent } from "../storage/event.ts";

/** What a controller works with. */
export interface ControllerDeps {
  readonly resources: Resources;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Divides the controllers' periods and grace times. */
  readonly timeScale: number;
}

/** A controller of the embedded API. */
export interface Controller {
  readonly name: string;
  /** Follows the stored objects from now on, beginning with what is there. Returns a function that stops it. */
  start(deps: ControllerDeps): () => void;
}

/** What a controller does that reconciles from the whole state. */
export interface ReconcilingRules {
  readonly name: string;
  /** The tables whose changes make it reconcile, or `*` for deletions of anything. */
  readonly tables: readonly string[] | "*";
  /** Whether a change in one of its tables concerns it. Default: always. */
  isConcerned?(table: string, event: StoreEvent): boolean;
  reconcile(deps: ControllerDeps): void;
}

/** A controller that reconciles once after each burst of changes. */
export function reconciling(rules: ReconcilingRules): Controller & ReconcilingRules {
  const start = (deps: ControllerDeps) => {
    let isPlanned = false;
    let isStopped = false;
    const run = () => {
      isPlanned = false;
      if (isStopped) return;
      try {
        rules.reconcile(deps);
      } catch (error) {
        // It reconciles again at the next change; the server must go on.
        deps.logger.error("a controller failed", { controller: rules.name, error: reasonOf(error) });
      }
    };
    const stop = deps.resources.store.watchAll((table, event) => {
      if (isPlanned) return;
      const ends = event.type === "DELETED" || event.object.metadata.deletionTimestamp !== undefined;
      if (!(rules.tables === "*" ? ends : rules.tables.includes(table))) return;
      if (rules.isConcerned?.(table, event) === false) return;
      isPlanned = true;
      setImmediate(run);
    });
    return () => {
      isStopped = true;
      stop();
    };
  };
  return { ...rules, start };
}
