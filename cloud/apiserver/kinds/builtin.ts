// The built-in kinds this server has. One with rules of its own has a file; one without is a line here.
import { configmaps } from "./configmaps.ts";
import { builtin, statusApart } from "./define.ts";
import { definitions } from "./definitions.ts";
import { endpoints } from "./endpoints.ts";
import { events } from "./events.ts";
import type { Kind } from "./kind.ts";
import { leases } from "./leases.ts";
import { namespaces } from "./namespaces.ts";
import { nodes } from "./nodes.ts";
import { pods } from "./pods.ts";
import { secrets } from "./secrets.ts";
import { serviceAccounts } from "./service-accounts.ts";
import { services } from "./services.ts";

export const builtinKinds: readonly Kind[] = [
  namespaces,
  nodes,
  pods,
  configmaps,
  secrets,
  serviceAccounts,
  services,
  endpoints,
  events,
  builtin({
    kind: "PersistentVolume",
    plural: "persistentvolumes",
    namespaced: false,
    shortNames: ["pv"],
    status: true,
    strategy: statusApart,
  }),
  builtin({
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    shortNames: ["pvc"],
    status: true,
    strategy: statusApart,
  }),
  builtin({
    kind: "VolumeAttachment",
    plural: "volumeattachments",
    group: "storage.k8s.io",
    namespaced: false,
    status: true,
    strategy: statusApart,
  }),
  builtin({
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    group: "certificates.k8s.io",
    namespaced: false,
    shortNames: ["csr"],
    status: true,
    strategy: statusApart,
  }),
  leases,
  definitions,
];
