// What a scenario creates in a cluster that others use, too: its namespace and its Nodes, and how both are removed.
import { type Clock, sleep } from "../../base/time/clock.ts";
import { hasCode, type KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { Scenario } from "../model/scenario.ts";

/** Milliseconds, times the target's patience: until a new namespace has its own objects, and until a deleted one no longer exists. */
const NAMESPACE_READY_MS = 2000;
const NAMESPACE_END_MS = 12_000;
const LOOK_MS = 100;

/** The name of a scenario's own namespace. */
export function namespaceOf(scenario: Scenario, suffix: string): string {
  // No dash before a digit: what looks like the name of an edge would be renamed in texts.
  const slug = scenario.name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/-(?=\d)/g, "").replace(/^-|-$/g, "")
    .slice(0, 30).replace(
      /-$/,
      "",
    );
  return `skep-${slug}${suffix}`;
}

/** Waits for what every cluster puts into a new namespace: pods can be created once that is there. */
export async function untilFilled(
  kube: KubeClient,
  name: string,
  clock: Clock,
  patience: number,
  signal: AbortSignal,
): Promise<void> {
  const ofEvery = [
    { resource: resources.serviceaccounts, name: "default" },
    { resource: resources.configmaps, name: "kube-root-ca.crt" },
  ];
  const lacking = async (namespace: string) => {
    const found = await Promise.all(ofEvery.map((ref) => kube.find({ ...ref, namespace })));
    return ofEvery.filter((_, i) => found[i] === undefined);
  };
  // Objects that even the namespace `default` lacks are not created by this cluster: don't wait for them.
  const never = await lacking("default");
  const deadline = clock.now() + NAMESPACE_READY_MS * patience;
  while (clock.now() < deadline && (await lacking(name)).length > never.length) {
    await sleep(clock, LOOK_MS, signal);
  }
}

/** Deletes it and waits until it no longer exists; what is left in it after a while is deleted by force. Throws where it stays all the same. */
export async function removeNamespace(kube: KubeClient, name: string, clock: Clock, patience: number): Promise<void> {
  const ref = { resource: resources.namespaces, name };
  await ignoringMissing(kube.delete(ref));
  const began = clock.now();
  let isForced = false;
  while (await kube.find(ref) !== undefined) {
    const waited = clock.now() - began;
    if (waited > NAMESPACE_END_MS * patience && !isForced) {
      isForced = true;
      await forceEmpty(kube, name);
    }
    if (waited > 2 * NAMESPACE_END_MS * patience) {
      throw new Error(`the namespace ${name} is still there; kubectl get all -n ${name} shows what holds it`);
    }
    await sleep(clock, LOOK_MS);
  }
}

/** Removes what can hold a namespace back: pods whose edges are gone, and what has finalizers of ours. */
export async function forceEmpty(kube: KubeClient, namespace: string): Promise<void> {
  for (const resource of [resources.pods, resources.devices, resources.devicemodels]) {
    for (const { metadata: { finalizers, name } } of (await kube.list(resource, { namespace })).items) {
      const ref = { resource, namespace, name };
      if (finalizers !== undefined) await ignoringMissing(kube.patch(ref, "merge", { metadata: { finalizers: null } }));
      await ignoringMissing(kube.delete(ref, { gracePeriodSeconds: 0 }));
    }
  }
}

/** The next scenario may have nodes of the same names: they must have been deleted. */
export async function removeNodes(
  kube: KubeClient,
  names: Iterable<string>,
  clock: Clock,
  patience: number,
): Promise<void> {
  const refs = [...names].map((name) => ({ resource: resources.nodes, name }));
  await Promise.all(refs.map((ref) => ignoringMissing(kube.delete(ref))));
  const deadline = clock.now() + NAMESPACE_END_MS * patience;
  while ((await Promise.all(refs.map((ref) => kube.find(ref)))).some((node) => node !== undefined)) {
    if (clock.now() > deadline) throw new Error("Nodes of this scenario are still there");
    await sleep(clock, LOOK_MS);
  }
}

/** Waits for a call; what it was about may be gone already. */
export async function ignoringMissing(call: Promise<unknown>): Promise<void> {
  await call.catch((error) => {
    if (!hasCode(error, 404)) throw error;
  });
}
