// In a cluster of others: what a scenario makes outside its namespace, so that it is removed, and what is not its own, so that it is let be.
import { SkepError } from "../../base/error/skep-error.ts";
import { reasonOf } from "../../base/log/logger.ts";
import { hasCode, type KubeClient, type ObjectRef } from "../../cloud/kube/client.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { runLabel } from "./run-label.ts";

/** An object of others that a run would change, or whose name it needs. */
export class NotOursError extends SkepError {
  readonly code = "SKEP_NOT_OURS";
}

export class KeptObjects {
  readonly #kube: KubeClient;
  readonly #run: string;
  readonly #refs: ObjectRef[] = [];

  constructor(kube: KubeClient, run: string) {
    this.#kube = kube;
    this.#run = run;
  }

  /** Rejects with NotOursError where there is such an object without this run's label. */
  async refuseForeign(ref: ObjectRef): Promise<void> {
    const found = await this.#kube.find(ref);
    if (found === undefined || textAt(found, "metadata", "labels", runLabel) === this.#run) return;
    throw new NotOursError(
      `the ${ref.resource.kind} ${ref.name} is not this run's: it has no label ${runLabel}=${this.#run}`,
    );
  }

  /** Remembers one that the scenario has created. */
  keep(ref: ObjectRef): void {
    this.#refs.push(ref);
  }

  /** Deletes what was remembered, the last one first. */
  async remove(): Promise<void> {
    const failed: unknown[] = [];
    for (const ref of this.#refs.reverse()) {
      await this.#kube.delete(ref).catch((error) => {
        if (!hasCode(error, 404)) failed.push(error);
      });
    }
    if (failed.length > 0) {
      throw new AggregateError(failed, `${failed.length} objects could not be removed: ${reasonOf(failed[0])}`);
    }
  }
}
