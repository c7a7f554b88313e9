// Serves the kinds that CustomResourceDefinitions describe, and records that in their status.
import { secondsOf } from "../../../protocol/apis/time.ts";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Resources } from "../resources.ts";
import type { Controller, ControllerDeps } from "./controller.ts";

const TABLE = "customresourcedefinitions.apiextensions.k8s.io";

export const definitions: Controller = { name: "definitions", start };

function start({ clock, resources }: ControllerDeps): () => void {
  for (const crd of resources.store.list(TABLE)) resources.registry.define(crd);
  return resources.store.watch(TABLE, (event) => {
    const { object } = event;
    if (event.type === "DELETED") {
      resources.registry.undefine(object.metadata.name);
      for (const [table, instance] of [...resources.store.all()]) {
        if (table === object.metadata.name) resources.store.remove(table, instance);
      }
      return;
    }
    resources.registry.define(object);
    if (at(object, "status", "conditions") === undefined) establish(resources, object, clock.now());
  });
}

function establish(resources: Resources, crd: KubeObject, now: number): void {
  const since = secondsOf(now);
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: "True",
    lastTransitionTime: since,
    reason,
    message,
  });
  const stored = listAt(crd, "spec", "versions").filter((v) => at(v, "storage") === true).map((v) => textAt(v, "name"));
  queueMicrotask(() => {
    const present = resources.store.get(TABLE, crd.metadata.name);
    if (present === undefined || at(present, "status", "conditions") !== undefined) return;
    resources.store.put(TABLE, {
      ...present,
      status: {
        conditions: [
          condition("NamesAccepted", "NoConflicts", "no conflicts found"),
          condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        acceptedNames: at(present, "spec", "names"),
        storedVersions: stored,
      },
    });
  });
}
