// PersistentVolumes, their claims and attachments, StorageClasses, CSI drivers and nodes.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, denied, required, wrong } from "../status.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import type { Column, KindRules } from "./kind.ts";

type Fields = Record<string, unknown>;

/** The fields of a volume's spec that are no source. */
const plain: ReadonlySet<string> = new Set([
  "accessModes",
  "capacity",
  "claimRef",
  "mountOptions",
  "nodeAffinity",
  "persistentVolumeReclaimPolicy",
  "storageClassName",
  "volumeAttributesClassName",
  "volumeMode",
]);

const sourceOf = (volume: KubeObject) =>
  Object.fromEntries(Object.entries((volume.spec ?? {}) as Fields).filter(([name]) => !plain.has(name)));

function withFinalizer(object: KubeObject, finalizer: string): void {
  const finalizers = object.metadata.finalizers ?? [];
  if (!finalizers.includes(finalizer)) object.metadata.finalizers = [...finalizers, finalizer];
}

/** Names of access modes as kubectl shortens them. */
const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

const modesOf = (object: KubeObject, where: "spec" | "status") =>
  Object.keys(shortModes).filter((mode) => listAt(object, where, "accessModes").includes(mode))
    .map((mode) => shortModes[mode]).join(",");

const wideMode: Column = {
  name: "VolumeMode",
  type: "string",
  wide: true,
  cell: (object) => textAt(object, "spec", "volumeMode") || "<unset>",
};
const attributesClass: Column = {
  name: "VolumeAttributesClass",
  type: "string",
  cell: (object) => textAt(object, "spec", "volumeAttributesClassName") || "<unset>",
};

export const volumes: KindRules = {
  shortNames: ["pv"],
  columns: [
    nameColumn,
    textColumn("Capacity", "spec", "capacity", "storage"),
    { name: "Access Modes", type: "string", cell: (object) => modesOf(object, "spec") },
    textColumn("Reclaim Policy", "spec", "persistentVolumeReclaimPolicy"),
    {
      name: "Status",
      type: "string",
      cell: ({ metadata, status }) =>
        metadata.deletionTimestamp === undefined ? textAt(status, "phase") : "Terminating",
    },
    {
      name: "Claim",
      type: "string",
      cell(object) {
        const claim = at(object, "spec", "claimRef");
        return claim === undefined ? "" : `${textAt(claim, "namespace")}/${textAt(claim, "name")}`;
      },
    },
    textColumn("StorageClass", "spec", "storageClassName"),
    attributesClass,
    textColumn("Reason", "status", "reason"),
    ageColumn,
    wideMode,
  ],
  strategy: {
    deleteAnswersObject: true,
    admit: (object, old) => void (old === undefined && withFinalizer(object, "kubernetes.io/pv-protection")),
    prepareCreate(object, { now }) {
      object.status = { phase: "Pending", lastPhaseTransitionTime: secondsOf(now()) };
    },
    prepareStatus(object, old, { now }) {
      const status = (object.status ?? {}) as Fields;
      const isChanged = at(old, "status", "phase") !== status.phase;
      const since = isChanged ? secondsOf(now()) : at(old, "status", "lastPhaseTransitionTime");
      object.status = { ...status, ...(since === undefined ? {} : { lastPhaseTransitionTime: since }) };
    },
    validate(object, old) {
      const causes: Cause[] = [];
      if (listAt(object, "spec", "accessModes").length === 0) causes.push(required("spec.accessModes"));
      if (at(object, "spec", "capacity") === undefined) {
        causes.push(required("spec.capacity"), {
          reason: "FieldValueNotSupported",
          message: 'Unsupported value: core.ResourceList(nil): supported values: "storage"',
          field: "spec.capacity",
        });
      }
      if (Object.keys(sourceOf(object)).length === 0) causes.push(required("spec", "must specify a volume type"));
      if (old !== undefined && !deepEqual(sourceOf(object), sourceOf(old))) {
        causes.push(denied("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"));
      }
      return causes;
    },
  },
};

export const claims: KindRules = {
  shortNames: ["pvc"],
  columns: [
    nameColumn,
    {
      name: "Status",
      type: "string",
      cell: ({ metadata, status }) =>
        metadata.deletionTimestamp === undefined ? textAt(status, "phase") : "Terminating",
    },
    textColumn("Volume", "spec", "volumeName"),
    {
      name: "Capacity",
      type: "string",
      cell: (object) =>
        textAt(object, "spec", "volumeName") === "" ? "" : textAt(object, "status", "capacity", "storage"),
    },
    {
      name: "Access Modes",
      type: "string",
      cell: (object) => textAt(object, "spec", "volumeName") === "" ? "" : modesOf(object, "status"),
    },
    textColumn("StorageClass", "spec", "storageClassName"),
    attributesClass,
    ageColumn,
    wideMode,
  ],
  strategy: {
    deleteAnswersObject: true,
    admit: (object, old) => void (old === undefined && withFinalizer(object, "kubernetes.io/pvc-protection")),
    prepareCreate: (object) => void (object.status = { phase: "Pending" }),
    validate(object, old) {
      const causes: Cause[] = [];
      if (listAt(object, "spec", "accessModes").length === 0) {
        causes.push(required("spec.accessModes", "at least 1 access mode is required"));
      }
      if (at(object, "spec", "resources", "requests", "storage") === undefined) {
        causes.push(required("spec.resources[storage]"));
      }
      if (old === undefined) return causes;
      const kept = ({ spec }: KubeObject) => {
        const { resources, volumeAttributesClassName: _v, ...rest } = spec as Fields;
        return { ...rest, limits: at(resources, "limits") };
      };
      const isBinding = textAt(old, "spec", "volumeName") === "";
      const before = isBinding ? { ...kept(old), volumeName: at(object, "spec", "volumeName") } : kept(old);
      if (!deepEqual(plainOf(kept(object)), plainOf(before))) {
        causes.push(denied(
          "spec",
          "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ));
      }
      return causes;
    },
  },
};

/** Without fields that are undefined. */
function plainOf(object: Fields): Fields {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

export const attachments: KindRules = {
  columns: [
    nameColumn,
    { ...textColumn("Attacher", "spec", "attacher"), format: "name" },
    textColumn("PV", "spec", "source", "persistentVolumeName"),
    textColumn("Node", "spec", "nodeName"),
    { name: "Attached", type: "boolean", cell: (object) => at(object, "status", "attached") === true },
    ageColumn,
  ],
  strategy: {
    deleteAnswersObject: true,
    versionRequired: true,
    prepareCreate: (object) => void (object.status = { attached: false }),
    validate(object, old) {
      const spec = (object.spec ?? {}) as Fields;
      const source = (spec.source ?? {}) as Fields;
      const causes: Cause[] = [];
      if (textAt(spec, "attacher") === "") causes.push(required("spec.attacher"));
      if (Object.keys(source).length !== 1) {
        causes.push(required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName"));
      }
      if (textAt(spec, "nodeName") === "") causes.push(required("spec.nodeName"));
      if (old !== undefined && !deepEqual(spec, old.spec)) {
        const printed = `storage.VolumeAttachmentSpec{Attacher:${
          JSON.stringify(spec.attacher)
        }, Source:storage.VolumeAttachmentSource{PersistentVolumeName:(*string)(0x0), InlineVolumeSpec:(*core.PersistentVolumeSpec)(nil)}, NodeName:${
          JSON.stringify(spec.nodeName)
        }}`;
        causes.push({
          reason: "FieldValueInvalid",
          message: `Invalid value: ${printed}: field is immutable`,
          field: "spec",
        });
      }
      return causes;
    },
  },
};

export const storageClasses: KindRules = {
  shortNames: ["sc"],
  columns: [
    {
      ...nameColumn,
      cell: ({ metadata }) =>
        metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true"
          ? `${metadata.name} (default)`
          : metadata.name,
    },
    textColumn("Provisioner", "provisioner"),
    textColumn("ReclaimPolicy", "reclaimPolicy"),
    textColumn("VolumeBindingMode", "volumeBindingMode"),
    { name: "AllowVolumeExpansion", type: "string", cell: (object) => at(object, "allowVolumeExpansion") === true },
    ageColumn,
  ],
  strategy: {
    deleteAnswersObject: true,
    validate(object, old) {
      const causes: Cause[] = [];
      if (textAt(object, "provisioner") === "") causes.push(required("provisioner"));
      if (old === undefined) return causes;
      for (const field of ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"]) {
        if (!deepEqual(object[field], old[field])) {
          causes.push(denied(field, `updates to ${field} are forbidden.`));
        }
      }
      return causes;
    },
  },
};

export const csiNodes: KindRules = {
  columns: [
    nameColumn,
    { name: "Drivers", type: "integer", cell: (o) => listAt(o, "spec", "drivers").length },
    ageColumn,
  ],
  strategy: { deleteAnswersObject: true, versionRequired: true },
};

export const csiDrivers: KindRules = {
  columns: [
    nameColumn,
    { name: "AttachRequired", type: "boolean", cell: (o) => at(o, "spec", "attachRequired") !== false },
    { name: "PodInfoOnMount", type: "boolean", cell: (o) => at(o, "spec", "podInfoOnMount") === true },
    { name: "StorageCapacity", type: "boolean", cell: (o) => at(o, "spec", "storageCapacity") === true },
    {
      name: "TokenRequests",
      type: "string",
      cell: (o) => listAt(o, "spec", "tokenRequests").map((t) => textAt(t, "audience")).join(",") || "<unset>",
    },
    { name: "RequiresRepublish", type: "boolean", cell: (o) => at(o, "spec", "requiresRepublish") === true },
    { name: "Modes", type: "string", cell: (o) => listAt(o, "spec", "volumeLifecycleModes").join(",") || "<none>" },
    ageColumn,
  ],
  strategy: {
    deleteAnswersObject: true,
    versionRequired: true,
    validate: (object) =>
      object.metadata.name.length > 63
        ? [wrong("metadata.name", object.metadata.name, "must be no more than 63 characters")]
        : [],
  },
};
