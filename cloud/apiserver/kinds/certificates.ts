// CertificateSigningRequests: who asks is who is logged in, and approval is a subresource.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { type Cause, required, wrong } from "../status.ts";
import { ageColumn, nameColumn, textColumn } from "./columns.ts";
import type { KindRules, Surroundings } from "./kind.ts";

type Fields = Record<string, unknown>;

const decisions: ReadonlySet<unknown> = new Set(["Approved", "Denied"]);

/** A text in base64 that holds at least one PEM block of a type. */
function hasPem(base64: unknown, type: string): boolean {
  return typeof base64 === "string" &&
    Buffer.from(base64, "base64").toString("latin1").includes(`-----BEGIN ${type}-----`);
}

function requestErrors(request: unknown): Cause[] {
  if (hasPem(request, "CERTIFICATE REQUEST")) return [];
  const bytes = [...Buffer.from(String(request ?? ""), "base64")].map((byte) => `0x${byte.toString(16)}`).join(", ");
  return [{
    reason: "FieldValueInvalid",
    message: `Invalid value: []byte{${bytes}}: PEM block type must be CERTIFICATE REQUEST`,
    field: "spec.request",
  }];
}

/** Conditions get their times where the client has left them out. */
function timed(conditions: readonly unknown[], old: KubeObject, { now }: Surroundings): unknown[] {
  const time = secondsOf(now());
  const before = listAt(old, "status", "conditions");
  return conditions.map((given) => {
    const condition = given as Fields;
    const same = before.find((c) => at(c, "type") === condition.type) as Fields | undefined;
    const isSame = same !== undefined && same.status === condition.status;
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? time,
      lastTransitionTime: condition.lastTransitionTime ?? (isSame ? same.lastTransitionTime : time),
    };
  });
}

function conditionErrors(object: KubeObject): Cause[] {
  const types = listAt(object, "status", "conditions").map((condition) => textAt(condition, "type"));
  const causes: Cause[] = [];
  for (const [i, type] of types.entries()) {
    if (type === "") causes.push(required(`status.conditions[${i}].type`));
    const other = type === "Approved" ? "Denied" : type === "Denied" ? "Approved" : undefined;
    if (other !== undefined && types.slice(0, i).includes(other)) {
      causes.push(wrong(`status.conditions[${i}].type`, type, "Approved and Denied conditions are mutually exclusive"));
    }
  }
  return causes;
}

export const certificateRequests: KindRules = {
  shortNames: ["csr"],
  selectable: { "spec.signerName": (object) => textAt(object, "spec", "signerName") },
  subresources: {
    approval: {
      as: "part",
      take(object, old, around) {
        const conditions = listAt(object, "status", "conditions");
        const status = (old.status ?? {}) as Fields;
        object.spec = old.spec;
        object.status = conditions.length === 0 ? status : { ...status, conditions: timed(conditions, old, around) };
      },
      validate: conditionErrors,
    },
  },
  columns: [
    nameColumn,
    ageColumn,
    textColumn("SignerName", "spec", "signerName"),
    textColumn("Requestor", "spec", "username"),
    {
      name: "RequestedDuration",
      type: "string",
      cell: (object) => {
        const seconds = at(object, "spec", "expirationSeconds");
        return typeof seconds === "number" ? `${seconds}s` : "<none>";
      },
    },
    {
      name: "Condition",
      type: "string",
      cell(object) {
        const types = listAt(object, "status", "conditions").map((c) => textAt(c, "type"));
        const decision = types.find((type) => decisions.has(type)) ?? "Pending";
        const failed = types.includes("Failed") ? ",Failed" : "";
        return `${decision}${failed}${textAt(object, "status", "certificate") === "" ? "" : ",Issued"}`;
      },
    },
  ],
  strategy: {
    prepareCreate(object, { user }) {
      const { extra: _e, groups: _g, uid: _u, username: _n, ...spec } = (object.spec ?? {}) as Fields;
      object.spec = {
        ...spec,
        username: user.name,
        ...(user.uid === undefined ? {} : { uid: user.uid }),
        groups: [...user.groups],
        ...(user.extra === undefined ? {} : { extra: user.extra }),
      };
      object.status = {};
    },
    prepareUpdate(object, old) {
      object.spec = old.spec;
    },
    prepareStatus(object, old, around) {
      // Who may write the status may not approve.
      const status = (object.status ?? {}) as Fields;
      const kept = listAt(old, "status", "conditions").filter((c) => decisions.has(at(c, "type")));
      const others = timed(listAt(status, "conditions").filter((c) => !decisions.has(at(c, "type"))), old, around);
      const conditions = [...kept, ...others];
      const { conditions: _c, ...rest } = status;
      object.status = { ...rest, ...(conditions.length === 0 ? {} : { conditions }) };
    },
    validate(object) {
      const causes = requestErrors(at(object, "spec", "request"));
      if (listAt(object, "spec", "usages").length === 0) causes.push(required("spec.usages"));
      if (textAt(object, "spec", "signerName") === "") causes.push(required("spec.signerName"));
      return causes;
    },
    validateStatus(object) {
      const certificate = at(object, "status", "certificate");
      if (certificate === undefined || hasPem(certificate, "CERTIFICATE")) return conditionErrors(object);
      return [
        wrong("status.certificate", "<certificate data>", "must contain at least one CERTIFICATE PEM block"),
        ...conditionErrors(object),
      ];
    },
  },
};
