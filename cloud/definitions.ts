// KubeEdge's own kinds in a cluster: creates missing definitions, leaves existing ones unchanged.
import { SkepError } from "../base/error/skep-error.ts";
import type { Logger } from "../base/log/logger.ts";
import { kubeedgeCrds, kubeedgeCrdsOfBothEras } from "../protocol/apis/crds.ts";
import { at, type KubeObject, listAt } from "../protocol/apis/kube-object.ts";
import { isAlreadyExists, type KubeClient } from "./kube/client.ts";
import { type Resource, resources } from "./kube/resource.ts";

/** A cluster whose definitions don't serve what cloudcore needs; the message says which, and what to do. */
export class DefinitionsError extends SkepError {
  readonly code = "SKEP_CRDS";
}

/** Kinds of which nodes of v1.1 have devices. */
export const deviceKindsOfV11: readonly Resource[] = [resources.devicesV1alpha1, resources.devicemodelsV1alpha1];

/**
 * Creates what is missing. Returns whether devices of v1alpha1 are configured and served; a cluster of today has none. Rejects with
 * DefinitionsError where a kind is there in other versions only.
 */
export async function ensureDefinitions(
  client: KubeClient,
  needed: readonly Resource[],
  hasV11: boolean,
  logger: Logger,
): Promise<boolean> {
  const { items } = await client.list(resources.customresourcedefinitions);
  const present = new Map(items.map((crd) => [crd.metadata.name, crd]));
  for (const crd of hasV11 ? kubeedgeCrdsOfBothEras : kubeedgeCrds) {
    if (present.has(crd.metadata.name)) continue;
    await client.create(resources.customresourcedefinitions, crd).catch((error) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }
  const lacking = needed.filter((resource) => !serves(present, resource)).map(({ apiVersion, kind }) =>
    `${kind} in ${apiVersion}`
  );
  if (lacking.length > 0) {
    throw new DefinitionsError(
      `this cluster has KubeEdge's kinds, but not ${lacking.join(", ")}: bring its definitions up to date; ` +
        "`skep cloudcore --crds` prints those of today, `--crds v1.1` with those of v1.1 (docs/v1.1.md)",
    );
  }
  if (!hasV11) return false;
  const canHave = deviceKindsOfV11.every((resource) => serves(present, resource));
  if (!canHave) {
    logger.warn(
      "nodes of v1.1 get no devices: this cluster's definitions of devices.kubeedge.io do not serve v1alpha1 (docs/v1.1.md)",
    );
  }
  return canHave;
}

/** Whether a kind is served in that version; what was not there has just been made. */
function serves(present: ReadonlyMap<string, KubeObject>, { apiVersion, plural }: Resource): boolean {
  const [group, version] = apiVersion.split("/");
  const crd = present.get(`${plural}.${group}`);
  return crd === undefined ||
    listAt(crd, "spec", "versions").some((v) => at(v, "name") === version && at(v, "served") === true);
}
