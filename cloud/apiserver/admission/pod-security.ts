// Pod Security Standards, as namespaces ask for them by label.
// Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Surroundings } from "../kinds/kind.ts";
import { forbidden } from "../status.ts";

const PREFIX = "pod-security.kubernetes.io/";

interface Found {
  readonly reason: string;
  readonly detail: string;
}

/** Throws 403 for a pod beyond what its namespace enforces, and warns where the namespace asks for warnings. */
export function checkPodSecurity(pod: KubeObject, { find, warn }: Surroundings): void {
  const labels = find("namespaces", pod.metadata.namespace ?? "")?.metadata.labels ?? {};
  const levelOf = (mode: string) => labels[`${PREFIX}${mode}`] ?? "privileged";
  const text = (mode: string, found: readonly Found[]) =>
    `PodSecurity "${levelOf(mode)}:${labels[`${PREFIX}${mode}-version`] ?? "latest"}": ${
      found.map(({ detail, reason }) => `${reason} (${detail})`).join(", ")
    }`;
  const enforced = problemsOf(pod, levelOf("enforce"));
  if (enforced.length > 0) {
    throw forbidden({ group: "", plural: "pods" }, pod.metadata.name, `violates ${text("enforce", enforced)}`);
  }
  const warned = problemsOf(pod, levelOf("warn"));
  if (warned.length > 0) warn(`would violate ${text("warn", warned)}`);
}

type Container = { readonly name: string; readonly context: unknown; readonly container: unknown };

function problemsOf(pod: KubeObject, level: string): Found[] {
  if (level !== "baseline" && level !== "restricted") return [];
  const containers: Container[] = ["initContainers", "containers", "ephemeralContainers"]
    .flatMap((list) => listAt(pod, "spec", list))
    .map((container) => ({ name: textAt(container, "name"), context: at(container, "securityContext"), container }));
  const found = baseline(pod, containers);
  return level === "baseline" ? found : [...found, ...restricted(pod, containers)];
}

function subject(containers: readonly Container[], plural = "containers"): string {
  const names = containers.map(({ name }) => JSON.stringify(name));
  return names.length === 1 ? `container ${names[0]}` : `${plural} ${names.join(", ")}`;
}

function baseline(pod: KubeObject, containers: readonly Container[]): Found[] {
  const found: Found[] = [];
  const host = ["hostNetwork", "hostPID", "hostIPC"].filter((field) => at(pod, "spec", field) === true);
  if (host.length > 0) found.push({ reason: "host namespaces", detail: host.map((f) => `${f}=true`).join(", ") });
  const privileged = containers.filter(({ context }) => at(context, "privileged") === true);
  if (privileged.length > 0) {
    found.push({
      reason: "privileged",
      detail: `${subject(privileged)} must not set securityContext.privileged=true`,
    });
  }
  const paths = listAt(pod, "spec", "volumes").filter((volume) => at(volume, "hostPath") !== undefined);
  if (paths.length > 0) {
    const names = paths.map((volume) => JSON.stringify(textAt(volume, "name")));
    found.push({ reason: "hostPath volumes", detail: `volume${names.length === 1 ? "" : "s"} ${names.join(", ")}` });
  }
  const ports = containers.filter(({ container }) =>
    listAt(container, "ports").some((port) => Number(at(port, "hostPort") ?? 0) > 0)
  );
  if (ports.length > 0) {
    const numbers = ports.flatMap(({ container }) => listAt(container, "ports")).map((port) => at(port, "hostPort"))
      .filter((port) => Number(port ?? 0) > 0);
    found.push({
      reason: "hostPort",
      detail: `${subject(ports)} ${ports.length === 1 ? "uses" : "use"} hostPort${numbers.length === 1 ? "" : "s"} ${
        numbers.join(", ")
      }`,
    });
  }
  return found;
}

function restricted(pod: KubeObject, containers: readonly Container[]): Found[] {
  const found: Found[] = [];
  const report = (reason: string, wrong: readonly Container[], before: string, rule: string) => {
    if (wrong.length > 0) found.push({ reason, detail: `${before}${subject(wrong)} must set ${rule}` });
  };
  report(
    "allowPrivilegeEscalation != false",
    containers.filter(({ context }) => at(context, "allowPrivilegeEscalation") !== false),
    "",
    "securityContext.allowPrivilegeEscalation=false",
  );
  report(
    "unrestricted capabilities",
    containers.filter(({ context }) => !listAt(context, "capabilities", "drop").includes("ALL")),
    "",
    'securityContext.capabilities.drop=["ALL"]',
  );
  const podContext = at(pod, "spec", "securityContext");
  report(
    "runAsNonRoot != true",
    containers.filter(({ context }) => (at(context, "runAsNonRoot") ?? at(podContext, "runAsNonRoot")) !== true),
    "pod or ",
    "securityContext.runAsNonRoot=true",
  );
  const isSafe = (type: string) => type === "RuntimeDefault" || type === "Localhost";
  report(
    "seccompProfile",
    containers.filter(({ context }) =>
      !isSafe(textAt(context, "seccompProfile", "type") || textAt(podContext, "seccompProfile", "type"))
    ),
    "pod or ",
    'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"',
  );
  return found;
}
