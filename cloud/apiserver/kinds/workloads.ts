// Deployments, ReplicaSets, DaemonSets, StatefulSets and what they keep.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { denied, required, unsupported } from "../status.ts";
import { ageColumn, nameColumn, numberColumn, templateColumns } from "./columns.ts";
import type { KindRules, Strategy } from "./kind.ts";

import {
  all,
  countErrors,
  goMap,
  invalidAs,
  isZero,
  readyOf,
  selector,
  statusErrors,
  templateErrors,
} from "./workload-rules.ts";

type Fields = Record<string, unknown>;

const deploymentStrategy: Strategy = {
  generation: true,
  generationCountsAnnotations: true,
  validateStatus: statusErrors,
  validate(object, old) {
    const causes = [
      ...countErrors(object, "replicas", "minReadySeconds", "revisionHistoryLimit"),
      ...templateErrors(object, ["Always"], old),
    ];
    const update = at(object, "spec", "strategy", "rollingUpdate");
    const type = textAt(object, "spec", "strategy", "type");
    if (type === "Recreate" && update !== undefined) {
      causes.push(denied("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"));
    } else if (type !== "Recreate" && type !== "RollingUpdate") {
      causes.push(unsupported("spec.strategy", type, ["Recreate", "RollingUpdate"]));
    } else if (update !== undefined && isZero(at(update, "maxSurge")) && isZero(at(update, "maxUnavailable"))) {
      causes.push(invalidAs(
        "spec.strategy.rollingUpdate.maxUnavailable",
        'intstr.IntOrString{Type:0, IntVal:0, StrVal:""}',
        "may not be 0 when `maxSurge` is 0",
      ));
    }
    return causes;
  },
};

export const deployments: KindRules = {
  shortNames: ["deploy"],
  categories: all,
  strategy: deploymentStrategy,
  columns: [
    nameColumn,
    readyOf(["status", "readyReplicas"], ["spec", "replicas"]),
    numberColumn("Up-to-date", "status", "updatedReplicas"),
    numberColumn("Available", "status", "availableReplicas"),
    ageColumn,
    ...templateColumns(selector),
  ].map((column) => ["Up-to-date", "Available"].includes(column.name) ? { ...column, type: "string" } : column),
};

const replicaColumns = [
  nameColumn,
  numberColumn("Desired", "spec", "replicas"),
  numberColumn("Current", "status", "replicas"),
  numberColumn("Ready", "status", "readyReplicas"),
  ageColumn,
  ...templateColumns(selector),
];

const byReplicas: KindRules["selectable"] = {
  "status.replicas": (object) => String(at(object, "status", "replicas") ?? 0),
};
/** Its status begins with a number. */
const counting: Strategy = { generation: true, prepareCreate: (object) => void (object.status = { replicas: 0 }) };

export const replicaSets: KindRules = {
  shortNames: ["rs"],
  categories: all,
  columns: replicaColumns,
  selectable: byReplicas,
  strategy: {
    ...counting,
    validate: (object, old) => [
      ...countErrors(object, "replicas", "minReadySeconds"),
      ...templateErrors(object, ["Always"], old),
    ],
  },
};

export const replicationControllers: KindRules = {
  shortNames: ["rc"],
  categories: all,
  columns: replicaColumns,
  selectable: byReplicas,
  strategy: {
    ...counting,
    validate(object) {
      const labels = (at(object, "spec", "template", "metadata", "labels") ?? {}) as Record<string, string>;
      const wanted = (at(object, "spec", "selector") ?? {}) as Record<string, string>;
      if (Object.keys(wanted).length === 0) return [required("spec.selector")];
      if (at(object, "spec", "template") === undefined) return [required("spec.template")];
      return Object.entries(wanted).every(([key, value]) => labels[key] === value) ? [] : [
        invalidAs("spec.template.metadata.labels", goMap(labels), "`selector` does not match template `labels`"),
      ];
    },
  },
};

export const daemonSets: KindRules = {
  shortNames: ["ds"],
  categories: all,
  columns: [
    nameColumn,
    numberColumn("Desired", "status", "desiredNumberScheduled"),
    numberColumn("Current", "status", "currentNumberScheduled"),
    numberColumn("Ready", "status", "numberReady"),
    numberColumn("Up-to-date", "status", "updatedNumberScheduled"),
    numberColumn("Available", "status", "numberAvailable"),
    {
      name: "Node Selector",
      type: "string",
      cell(object) {
        const labels = Object.entries(
          (at(object, "spec", "template", "spec", "nodeSelector") ?? {}) as Record<string, string>,
        );
        return labels.map(([key, value]) => `${key}=${value}`).join(",") || "<none>";
      },
    },
    ageColumn,
    ...templateColumns(selector),
  ],
  strategy: {
    generation: true,
    hiddenInTables: ["deprecated.daemonset.template.generation"],
    prepareCreate(object) {
      object.status = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };
      const metadata = object.metadata;
      metadata.annotations = { ...metadata.annotations, "deprecated.daemonset.template.generation": "1" };
    },
    prepareUpdate(object, old) {
      const key = "deprecated.daemonset.template.generation";
      const before = Number(old.metadata.annotations?.[key] ?? 0);
      const isChanged = !deepEqual(at(object, "spec", "template"), at(old, "spec", "template"));
      const annotations = { ...object.metadata.annotations, [key]: String(isChanged ? before + 1 : before) };
      object.metadata.annotations = annotations;
    },
    validate: (object, old) => templateErrors(object, ["Always"], old),
  },
};

const STATEFUL_CHANGES =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

export const statefulSets: KindRules = {
  shortNames: ["sts"],
  categories: all,
  columns: [
    nameColumn,
    readyOf(["status", "readyReplicas"], ["spec", "replicas"]),
    ageColumn,
    ...templateColumns(),
  ],
  strategy: {
    generation: true,
    prepareCreate: (object) => void (object.status = { replicas: 0, availableReplicas: 0 }),
    validate(object, old) {
      const causes = [...countErrors(object, "replicas"), ...templateErrors(object, ["Always"])];
      if (old === undefined) return causes;
      const kept = (of: KubeObject) => {
        const {
          minReadySeconds: _m,
          ordinals: _o,
          persistentVolumeClaimRetentionPolicy: _p,
          replicas: _r,
          revisionHistoryLimit: _h,
          template: _t,
          updateStrategy: _u,
          ...rest
        } = of.spec as Fields;
        return rest;
      };
      return deepEqual(kept(object), kept(old)) ? causes : [...causes, denied("spec", STATEFUL_CHANGES)];
    },
  },
};

export const controllerRevisions: KindRules = {
  columns: [
    nameColumn,
    {
      name: "Controller",
      type: "string",
      cell(object) {
        const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
        if (owner === undefined) return "<none>";
        const group = owner.apiVersion.includes("/") ? `.${owner.apiVersion.split("/")[0]}` : "";
        return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
      },
    },
    { name: "Revision", type: "string", cell: (object) => Number(at(object, "revision") ?? 0) },
    ageColumn,
  ],
  strategy: {
    validate(object, old) {
      if (old === undefined || deepEqual(object.data, old.data)) return [];
      const bytes = [...Buffer.from(JSON.stringify(object.data))].map((byte) => `0x${byte.toString(16)}`).join(", ");
      const printed = `runtime.RawExtension{Raw:[]uint8{${bytes}}, Object:runtime.Object(nil)}`;
      return [invalidAs("data", printed, "field is immutable")];
    },
  },
};

export const podTemplates: KindRules = {
  strategy: { deleteAnswersObject: true, generation: true },
  columns: [
    nameColumn,
    {
      name: "Containers",
      type: "string",
      cell: (o) => listAt(o, "template", "spec", "containers").map((c) => textAt(c, "name")).join(","),
    },
    {
      name: "Images",
      type: "string",
      cell: (o) => listAt(o, "template", "spec", "containers").map((c) => textAt(c, "image")).join(","),
    },
    {
      name: "Pod Labels",
      type: "string",
      cell: (o) =>
        Object.entries((at(o, "template", "metadata", "labels") ?? {}) as Record<string, string>)
          .map(([key, value]) => `${key}=${value}`).join(",") || "<none>",
    },
  ],
};
