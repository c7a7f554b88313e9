// Cohorts in the words of a scenario, and as the fleet takes them.
import { CohortError } from "./cohort-error.ts";
import { resolve } from "node:path";
import type { BackoffOptions } from "../../base/backoff/backoff.ts";
import { isAlreadyExists, type KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { EdgeCredentials } from "../../edge-sim/edgehub/enrolment.ts";
import { type Cohort, edgeName } from "../../edge-sim/fleet/fleet.ts";
import { v11Rule } from "../../protocol/apis/cloudcore-config.ts";
import { edgeNodeLabel } from "../../protocol/message/names.ts";
import { milliseconds } from "../files/duration.ts";
import type { ScenarioCohort } from "./cohort.ts";
import { behavioursOf } from "./behaviours.ts";
import { protocolOf, readModel } from "./devices.ts";

/** Where a cohort lives. */
export interface CohortDeps {
  /** Divides its pauses. */
  readonly timeScale: number;
  /** The certificate that edges of v1.1 share. */
  readonly legacy?: EdgeCredentials | undefined;
  /** Whether steps look at what its edges publish by MQTT. */
  readonly isWatched?: boolean;
}

/** `file` is what models and tables stand beside. Throws CohortError. */
export async function cohortOf(
  written: ScenarioCohort,
  file: string,
  { isWatched = false, legacy, timeScale }: CohortDeps,
): Promise<Cohort> {
  const { cohort, count = 1, labels, link, pods, reconnect, stages = [], transport, version } = written;
  refuseEndpoints(written);
  return {
    ...endpointsOf(written, await protocolsOf(written, file), isWatched),
    cohort,
    count,
    behaviours: await behavioursOf(written, file),
    ...(pods === undefined ? {} : { pods }),
    // CEL takes a while to load: only where there are stages.
    ...(stages.length === 0 ? {} : { stages: await (await import("./stages.ts")).readStages(stages, file) }),
    ...(reconnect === undefined ? {} : { reconnect: backoffOf(reconnect, timeScale) }),
    ...(version === undefined ? {} : { version }),
    ...(version === "v1.1" && legacy !== undefined ? { credentials: legacy } : {}),
    ...(labels === undefined ? {} : { labels }),
    ...(transport === undefined ? {} : { transport }),
    ...(link === undefined ? {} : {
      link: {
        ...(link.latency === undefined ? {} : { latency: milliseconds(link.latency) }),
        ...(link.jitter === undefined ? {} : { jitter: milliseconds(link.jitter) }),
      },
    }),
  };
}

function backoffOf(
  { cap, factor = 1, jitter = 0, wait }: NonNullable<ScenarioCohort["reconnect"]>,
  timeScale: number,
): BackoffOptions {
  const initial = milliseconds(wait) / timeScale;
  return { initial, factor, jitter, cap: cap === undefined ? initial * 10 : milliseconds(cap) / timeScale };
}

/** Throws CohortError where the endpoints for mappers can't work as described. */
function refuseEndpoints({ cohort, count = 1, dmi, mapper, mqtt, version }: ScenarioCohort): void {
  if (mqtt?.server !== undefined && count > 1) {
    throw new CohortError(
      `cohort ${cohort}: a broker that runs already is one edge's: its ${count} edges would answer for one another's devices; say count: 1, or mqtt: {} for brokers of their own`,
    );
  }
  if (mapper === "dmi" && dmi === undefined) throw new CohortError(`cohort ${cohort}: mapper: dmi needs dmi: FOLDER`);
  if (version === "v1.1" && dmi !== undefined) throw new CohortError(`cohort ${cohort}: edges of v1.1 have no DMI`);
}

/** The protocols of its devices, which a mapper over DMI registers for. */
async function protocolsOf({ devices = [], mapper }: ScenarioCohort, file: string): Promise<readonly string[]> {
  if (mapper !== "dmi") return [];
  const models = await Promise.all(devices.map(({ model }) => readModel(model, file)));
  return [...new Set(models.map(protocolOf))];
}

/** What each edge has, by its index in the cohort. */
function endpointsOf(
  { dmi, mapper, mqtt, serviceBus }: ScenarioCohort,
  protocols: readonly string[],
  keepsLast: boolean,
): Pick<Cohort, "mapper" | "endpoints"> {
  const at = (first: number | undefined, index: number) => ({
    host: "127.0.0.1",
    port: first === undefined ? 0 : first + index,
  });
  const endpoints = (name: string, index: number) => ({
    ...(mqtt === undefined ? {} : {
      mqtt: {
        keepsLast,
        ...(mqtt.server === undefined ? { internal: at(mqtt.port, index) } : { external: mqtt.server }),
      },
    }),
    ...(serviceBus === undefined ? {} : { serviceBus: at(serviceBus.port, index) }),
    ...(dmi === undefined ? {} : { dmi: { socket: resolve(dmi, name, "dmi.sock"), protocols } }),
  });
  return {
    ...(mapper === undefined ? {} : { mapper: mapper === "dmi" ? "socket" : mapper }),
    ...(mqtt ?? serviceBus ?? dmi ? { endpoints } : {}),
  };
}

/**
 * Edges of v1.1 can't register: their Nodes are made beforehand, as their operators do; one that a former run left is used.
 * `suffix` is what the fleet appends to its names, `own` are labels of all of them.
 */
export async function makeNodesOfV11(
  kube: KubeClient,
  fleet: readonly ScenarioCohort[],
  suffix: string,
  own: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const { cohort, count = 1, labels, version } of fleet) {
    if (version !== "v1.1") continue;
    const metadata = { labels: { ...labels, ...own, [edgeNodeLabel]: "", ...v11Rule.nodeSelector } };
    await Promise.all(Array.from({ length: count }, async (_, i) => {
      const name = edgeName(cohort, i, suffix);
      try {
        await kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { ...metadata, name } });
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        await kube.patch({ resource: resources.nodes, name }, "merge", { metadata });
      }
    }));
  }
}
