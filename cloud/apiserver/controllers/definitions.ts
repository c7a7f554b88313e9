// Serves the kinds that CustomResourceDefinitions describe, and records that in their status.
import { secondsOf } from "../../../protocol/apis/time.ts";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Resources } from "../resources.ts";
import type { Controller, ControllerDeps } from "./controller.ts";

const TABLE = "customresourcedefinitions.apiextensions.k8s.io";

export const definitions: Controller = { name: "definitions", start };

function start({ clock, resources }: ControllerDeps): () => void {
  for (const crd of resources.store.list(TABLE)) if (isServed(resources, crd)) resources.registry.define(crd);
  return resources.store.watch(TABLE, (event) => {
    const { object } = event;
    if (event.type === "DELETED") {
      resources.registry.undefine(object.metadata.name);
      for (const [table, instance] of [...resources.store.all()]) {
        if (table === object.metadata.name) resources.store.remove(table, instance);
      }
      return;
    }
    if (isServed(resources, object)) resources.registry.define(object);
    else resources.registry.undefine(object.metadata.name);
    if (listAt(object, "status", "conditions").length === 0) establish(resources, object, clock.now());
  });
}

/** Which of a definition's names another one of its group has already, with the reason that Kubernetes gives. */
function clashOf(
  resources: Resources,
  crd: KubeObject,
): { readonly reason: string; readonly name: string } | undefined {
  const group = textAt(crd, "spec", "group");
  const others = resources.store.list(TABLE).filter((other) =>
    other.metadata.uid !== crd.metadata.uid && textAt(other, "spec", "group") === group &&
    textAt(other, "status", "acceptedNames", "kind") !== ""
  );
  const taken = (field: string) => others.map((other) => textAt(other, "status", "acceptedNames", field));
  const wanted = (field: string) => textAt(crd, "spec", "names", field);
  const short = others.flatMap((other) => listAt(other, "status", "acceptedNames", "shortNames"));
  const clashes = [
    { reason: "ListKindConflict", name: wanted("listKind"), isTaken: taken("listKind").includes(wanted("listKind")) },
    { reason: "KindConflict", name: wanted("kind"), isTaken: taken("kind").includes(wanted("kind")) },
    { reason: "SingularConflict", name: wanted("singular"), isTaken: taken("singular").includes(wanted("singular")) },
    { reason: "PluralConflict", name: wanted("plural"), isTaken: taken("plural").includes(wanted("plural")) },
    ...(listAt(crd, "spec", "names", "shortNames") as string[]).map((name) => ({
      reason: "ShortNamesConflict",
      name,
      isTaken: short.includes(name),
    })),
  ];
  return clashes.find(({ isTaken }) => isTaken);
}

/** A definition is served unless its names were refused. */
function isServed(resources: Resources, crd: KubeObject): boolean {
  const established = listAt(crd, "status", "conditions").find((c) => textAt(c, "type") === "Established");
  return established === undefined ? clashOf(resources, crd) === undefined : textAt(established, "status") === "True";
}

function establish(resources: Resources, crd: KubeObject, now: number): void {
  const since = secondsOf(now);
  queueMicrotask(() => {
    const present = resources.store.get(TABLE, crd.metadata.name);
    if (present === undefined || listAt(present, "status", "conditions").length > 0) return;
    const clash = clashOf(resources, present);
    const condition = (type: string, status: string, reason: string, message: string) => ({
      type,
      status,
      lastTransitionTime: since,
      reason,
      message,
    });
    const conditions = clash === undefined
      ? [
        condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
        condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
      ]
      : [
        condition("NamesAccepted", "False", clash.reason, `${JSON.stringify(clash.name)} is already in use`),
        condition("Established", "False", "NotAccepted", "not all names are accepted"),
      ];
    const { categories: _c, kind, listKind, plural, shortNames, singular } = at(present, "spec", "names") as Record<
      string,
      unknown
    >;
    const accepted = clash === undefined ? at(present, "spec", "names") : {
      plural,
      singular,
      ...(shortNames === undefined ? {} : { shortNames }),
      kind: ["KindConflict", "ListKindConflict"].includes(clash.reason) ? "" : kind,
      ...(clash.reason === "ListKindConflict" ? {} : { listKind }),
    };
    const status = { ...(present.status as object), conditions, acceptedNames: accepted };
    resources.store.put(TABLE, { ...present, status });
  });
}
