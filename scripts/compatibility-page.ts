// docs/compatibility.md: the library on several targets, as it came out when it was run, with what explains each difference.
import { readFileSync } from "node:fs";
import type { Compatibility } from "./compatibility.ts";

/** What the targets of docs/compatibility.json are. */
const meanings: Readonly<Record<string, string>> = {
  embedded: "skep's cloudcore on skep's Kubernetes API, all in one process",
  "go-1.23": "KubeEdge's cloudcore v1.23.1 on skep's Kubernetes API",
  process: "skep's cloudcore in a process of its own on skep's Kubernetes API",
  kubeconfig: "skep's cloudcore on a `skep apiserver`, by a kubeconfig",
  "kubernetes-1.32":
    "skep's cloudcore on kube-apiserver, kube-controller-manager and kube-scheduler 1.32, with the rights of `skep target rbac --authorization`",
  "go-1.23 on kubernetes-1.32": "KubeEdge's cloudcore v1.23.1 on the same programs of Kubernetes",
};

const signs: Readonly<Record<string, string>> = { passed: "✓", failed: "✗", skipped: "–", "not run": "" };

const firstReport =
  "KubeEdge's cloudcore makes a DeviceStatus with the first report of a device, and loses that report (docs/deviations.md)";
const sentOnce =
  "KubeEdge's cloudcore sends changes of devices once and keeps no records of them: what changes while their edge, or it, is away never comes (https://github.com/kubeedge/kubeedge/issues/2015, 3804)";

/** Why a scenario fails with KubeEdge's cloudcore, by its name. */
const explanations: Readonly<Record<string, string>> = {
  "a report reaches DeviceStatus, the first one too": firstReport,
  "a device moves to another edge, and back": firstReport,
  "a value with every allowed character arrives; one with a forbidden character is refused at the edge": firstReport,
  "a mapper reports by MQTT, is answered, gets the desired values, and the cloud stores its reports": firstReport,
  "a device is deleted while its edge is away; back, the edge has lost it": sentOnce,
  "an edge whose disk is new gets its devices, models, pods and configmaps again, and its devices report": sentOnce,
  "an edge is away while objects change and are deleted; back, it has all of it": sentOnce,
  "cloudcore restarts while devices are asked and report; both ends agree afterwards": sentOnce,
  "cloudcore is killed while pods, configmaps and devices change; nothing is lost": sentOnce,
  "a pod is bound to a node that comes later":
    "KubeEdge's cloudcore sends a pod when it changes, not when its node comes: a pod that was bound before stays Pending until something changes it",
  "a configmap and a secret are made again with their names, several times; the last ones arrive":
    "a configmap that is made again is sent when a pod that uses it changes, not before (https://github.com/kubeedge/kubeedge/issues/4106)",
};

export function compatibilityPage(): string {
  const { scenarios, targets } = JSON.parse(readFileSync("docs/compatibility.json", "utf8")) as Compatibility;
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const counts = targets.map((target) => {
    const of = (verdict: string) => scenarios.filter(({ verdicts }) => verdicts[target]?.verdict === verdict).length;
    return `${of("passed")} passed, ${of("failed")} failed, ${of("skipped")} skipped`;
  });
  const reasons = new Map<string, string[]>();
  for (const { name, verdicts } of scenarios) {
    for (const [target, { reason, verdict }] of Object.entries(verdicts)) {
      if (verdict === "passed" || verdict === "not run") continue;
      const why = verdict === "skipped"
        ? `skipped: ${reason.replace(/^.* has no /, "it has no ")}`
        : `failed: ${reason}`;
      reasons.set(`${name}\n${why}`, [...reasons.get(`${name}\n${why}`) ?? [], target]);
    }
  }
  return [
    "# Compatibility",
    "",
    "The scenario library on several targets, always with skep's edges, as it came out when it was run by `skep run` and `skep matrix` ([targets.md](targets.md)). ✓ passed, ✗ failed, – skipped for what the target lacks.",
    "",
    "| target | what it is | |",
    "|---|---|---|",
    ...targets.map((target, i) => `| \`${target}\` | ${meanings[target] ?? ""} | ${counts[i]} |`),
    "",
    `| scenario | ${targets.map((target) => `\`${target}\``).join(" | ")} |`,
    `|---|${targets.map(() => ":-:").join("|")}|`,
    ...scenarios.map(({ name, verdicts }) =>
      `| ${cell(name)} | ${targets.map((target) => signs[verdicts[target]?.verdict ?? "not run"]).join(" | ")} |`
    ),
    "",
    "## What was skipped, or failed, and why",
    "",
    ...[...reasons].map(([key, where]) => {
      const [name, why] = key.split("\n");
      const explained = why?.startsWith("failed") ? explanations[name ?? ""] : undefined;
      const all = where.map((target) => `\`${target}\``).join(", ");
      return `- ${name} (${all}): ${why}${explained === undefined ? "" : `. ${explained}`}`;
    }),
    "",
  ].join("\n");
}
