// The kubeconfig of the embedded API: written for kubectl, readable by its owner only.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { stringify } from "yaml";
import type { ApiAccess } from "./apiserver.ts";

/** The default file. */
export const defaultKubeconfig = "skep-report/kubeconfig";

/** A kubeconfig as YAML. */
export function kubeconfigText(access: ApiAccess): string {
  const name = "skep";
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{
      name,
      cluster: { server: access.url, "certificate-authority-data": Buffer.from(access.ca).toString("base64") },
    }],
    users: [{ name, user: { token: access.token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: "default" } }],
    "current-context": name,
  });
}

/** Writes it, folder and all. */
export async function writeKubeconfig(file: string, access: ApiAccess): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, kubeconfigText(access), { mode: 0o600 });
}
