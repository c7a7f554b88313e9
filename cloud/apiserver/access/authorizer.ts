// Who may what: role-based access control over the roles and bindings that are stored, or everybody everything.
// Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
import { type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { User } from "../kinds/kind.ts";
import { selectorMatches } from "../kinds/label-selector.ts";
import type { Store } from "../storage/store.ts";

/** What somebody wants to do: with a resource, or with a path that is none. */
export type Attributes =
  | {
    readonly verb: string;
    readonly group: string;
    readonly resource: string;
    readonly subresource: string;
    readonly namespace: string;
    readonly name: string;
  }
  | { readonly verb: string; readonly path: string };

/** A rule of a role (`rbac/v1` PolicyRule). */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

/** Decides. */
export interface Authorizer {
  /** Why it is allowed, for reviews; undefined where it is not. */
  allows(user: User, attributes: Attributes): string | undefined;
  /** The rules that hold for a user in a namespace. */
  rulesOf(user: User, namespace: string): readonly PolicyRule[];
}

/** Everybody may do everything. */
export const allowAll: Authorizer = {
  allows: () => "",
  rulesOf: () => [
    { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    { verbs: ["*"], nonResourceURLs: ["*"] },
  ],
};

const GROUP = "rbac.authorization.k8s.io";
const tables = {
  roles: `roles.${GROUP}`,
  clusterRoles: `clusterroles.${GROUP}`,
  roleBindings: `rolebindings.${GROUP}`,
  clusterRoleBindings: `clusterrolebindings.${GROUP}`,
} as const;

/** Role-based access control. Members of `system:masters` may do everything. */
export function rbac(store: Store): Authorizer {
  const rulesOfRole = (ref: unknown, namespace: string): PolicyRule[] => {
    const name = textAt(ref, "name");
    const isCluster = textAt(ref, "kind") === "ClusterRole";
    const role = isCluster ? store.get(tables.clusterRoles, name) : store.get(tables.roles, `${namespace}/${name}`);
    if (role === undefined) return [];
    const selectors = listAt(role, "aggregationRule", "clusterRoleSelectors");
    if (selectors.length === 0) return listAt(role, "rules") as PolicyRule[];
    return store.list(tables.clusterRoles)
      .filter(({ metadata }) => selectors.some((selector) => selectorMatches(selector, metadata.labels ?? {})))
      .flatMap((part) => listAt(part, "rules") as PolicyRule[]);
  };
  function* granted(user: User, namespace: string): Generator<[reason: string, rules: readonly PolicyRule[]]> {
    for (const binding of store.list(tables.clusterRoleBindings)) {
      const subject = subjectOf(binding, user);
      if (subject === undefined) continue;
      const reason = `RBAC: allowed by ClusterRoleBinding ${JSON.stringify(binding.metadata.name)} of ClusterRole ${
        JSON.stringify(textAt(binding, "roleRef", "name"))
      } to ${subject}`;
      yield [reason, rulesOfRole(binding.roleRef, "")];
    }
    if (namespace === "") return;
    for (const binding of store.list(tables.roleBindings, namespace)) {
      const subject = subjectOf(binding, user);
      if (subject === undefined) continue;
      const reason = `RBAC: allowed by RoleBinding ${JSON.stringify(`${binding.metadata.name}/${namespace}`)} of ${
        textAt(binding, "roleRef", "kind")
      } ${JSON.stringify(textAt(binding, "roleRef", "name"))} to ${subject}`;
      yield [reason, rulesOfRole(binding.roleRef, namespace)];
    }
  }
  return {
    allows(user, attributes) {
      if (user.groups.includes("system:masters")) return "";
      const namespace = "path" in attributes ? "" : attributes.namespace;
      for (const [reason, rules] of granted(user, namespace)) {
        if (rules.some((rule) => covers(rule, attributes))) return reason;
      }
      return undefined;
    },
    rulesOf(user, namespace) {
      if (user.groups.includes("system:masters")) return allowAll.rulesOf(user, namespace);
      return [...granted(user, namespace)].flatMap(([, rules]) => rules);
    },
  };
}

/** As `User "alice"`; undefined where the binding does not speak of the user. */
function subjectOf(binding: KubeObject, { groups, name }: User): string | undefined {
  for (const subject of listAt(binding, "subjects")) {
    const of = textAt(subject, "name");
    switch (textAt(subject, "kind")) {
      case "User":
        if (of === name) return `User ${JSON.stringify(name)}`;
        break;
      case "Group":
        if (groups.includes(of)) return `Group ${JSON.stringify(of)}`;
        break;
      case "ServiceAccount": {
        const namespace = textAt(subject, "namespace") || (binding.metadata.namespace ?? "");
        if (name === `system:serviceaccount:${namespace}:${of}`) {
          return `ServiceAccount ${JSON.stringify(`${of}/${namespace}`)}`;
        }
      }
    }
  }
  return undefined;
}

function covers(rule: PolicyRule, wanted: Attributes): boolean {
  const isVerb = rule.verbs.includes("*") || rule.verbs.includes(wanted.verb);
  if (!isVerb) return false;
  if ("path" in wanted) {
    return (rule.nonResourceURLs ?? []).some((pattern) =>
      pattern === "*" || pattern === wanted.path ||
      (pattern.endsWith("*") && wanted.path.startsWith(pattern.slice(0, -1)))
    );
  }
  const { apiGroups = [], resourceNames = [], resources = [] } = rule;
  if (!apiGroups.includes("*") && !apiGroups.includes(wanted.group)) return false;
  const combined = wanted.subresource === "" ? wanted.resource : `${wanted.resource}/${wanted.subresource}`;
  const isResource = resources.includes("*") || resources.includes(combined) ||
    (wanted.subresource !== "" && resources.includes(`*/${wanted.subresource}`));
  if (!isResource) return false;
  return resourceNames.length === 0 || resourceNames.includes(wanted.name);
}

/** What the client is told who may not. */
export function forbiddenText(user: User, attributes: Attributes): string {
  const who = `User ${JSON.stringify(user.name)} cannot ${attributes.verb}`;
  if ("path" in attributes) return `${who} path ${JSON.stringify(attributes.path)}`;
  const { group, namespace, resource, subresource } = attributes;
  const combined = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  return `${who} resource ${JSON.stringify(combined)} in API group ${JSON.stringify(group)} ${where}`;
}
