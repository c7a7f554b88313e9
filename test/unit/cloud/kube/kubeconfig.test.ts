// Reading kubeconfig files: which context, and files that they name.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadKubeConfig } from "../../../../cloud/kube/kubeconfig.ts";

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "skep-kubeconfig-"));
  file = join(folder, "config");
  writeFileSync(
    file,
    `apiVersion: v1
kind: Config
clusters:
  - { name: one, cluster: { server: "https://one:6443", certificate-authority: ca.crt } }
  - { name: two, cluster: { server: "https://two:6443", certificate-authority: /etc/ca.crt } }
users: [{ name: u, user: { token: t, client-certificate: keys/u.crt } }]
contexts:
  - { name: first, context: { cluster: one, user: u } }
  - { name: second, context: { cluster: two, user: u } }
current-context: first
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

test("the current context is meant, or the one that is named", () => {
  expect(loadKubeConfig(file).config.getCurrentCluster()?.server).toBe("https://one:6443");
  expect(loadKubeConfig(file, "second").config.getCurrentCluster()?.server).toBe("https://two:6443");
  expect(() => loadKubeConfig(file, "third")).toThrow(`${file} has no context third; it has first, second`);
});

test("files that it names are beside it, wherever the command was called", () => {
  const { config } = loadKubeConfig(file);
  expect(config.getCurrentCluster()?.caFile).toBe(join(folder, "ca.crt"));
  expect(config.getCurrentUser()?.certFile).toBe(join(folder, "keys", "u.crt"));
  expect(loadKubeConfig(file, "second").config.getCurrentCluster()?.caFile).toBe("/etc/ca.crt");
});

test("what is no kubeconfig is refused with its name", () => {
  const other = join(folder, "other");
  writeFileSync(other, "a: b\n");
  expect(() => loadKubeConfig(other)).toThrow(other);
  expect(() => loadKubeConfig(join(folder, "none"))).toThrow(/can't read the kubeconfig/);
});
