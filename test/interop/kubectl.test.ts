// A real kubectl against `skep up`: what a person types.
import { execFile, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Command, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";

const hasKubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;
const title = `kubectl${hasKubectl ? "" : " [needs kubectl, which is not on this machine]"}`;

describe.skipIf(!hasKubectl)(title, () => {
  const folder = workFolder();
  let up: Command;
  beforeAll(async () => {
    up = new Command(folder.path, ["up", "--port", "0", "--edges", "3", "--write-kubeconfig", "kubeconfig"]);
    await up.says("\nready\n");
  });
  afterAll(async () => {
    await up.interrupt();
    folder.remove();
  });

  const env = { ...process.env, KUBECONFIG: join(folder.path, "kubeconfig"), HOME: folder.path };
  const run = promisify(execFile);
  const kubectl = async (args: string, more: Record<string, string> = {}) =>
    (await run("kubectl", args.split(" "), { cwd: folder.path, env: { ...env, ...more } })).stdout;

  test("gets nodes", async () => {
    const out = await kubectl("get nodes");
    expect(out.split("\n")[0]).toMatch(/^NAME +STATUS +ROLES +AGE +VERSION$/);
    expect(out).toMatch(/edge-0 +Ready +agent,edge +\S+ +v1\.32\.10-kubeedge-v1\.23\.1/);
    expect((await kubectl("get nodes -o name")).trim().split("\n")).toHaveLength(3);
  });

  test("applies, watches, edits and deletes a pod", async () => {
    writeFileSync(
      join(folder.path, "pod.yaml"),
      "apiVersion: v1\nkind: Pod\nmetadata: { name: web, labels: { app: one } }\nspec: { nodeName: edge-1, terminationGracePeriodSeconds: 1, containers: [{ name: web, image: nginx }] }\n",
    );
    const watch = execFile("kubectl", ["get", "pods", "-o", "wide", "-w"], { env });
    let seen = "";
    watch.stdout?.on("data", (chunk) => seen += String(chunk));
    expect(await kubectl("apply -f pod.yaml")).toBe("pod/web created\n");
    await until(
      `the watch shows it running; it showed ${seen}`,
      () => /web +1\/1 +Running +0 +\S+ +10\.88\.\d+\.\d+ +edge-1/.test(seen),
    );
    expect(await kubectl("apply -f pod.yaml")).toBe("pod/web unchanged\n");
    writeFileSync(join(folder.path, "editor.sh"), "#!/bin/sh\nsed -i 's/app: one/app: two/' \"$1\"\n", { mode: 0o755 });
    expect(await kubectl("edit pod web", { EDITOR: join(folder.path, "editor.sh") })).toContain("pod/web edited");
    expect(await kubectl("get pods --show-labels")).toContain("app=two");
    expect(await kubectl("get pods -l app=two -o jsonpath={.items[*].spec.nodeName}")).toBe("edge-1");
    expect(await kubectl("delete pod web")).toContain('pod "web" deleted');
    await until(`the watch shows it ending; it showed ${seen}`, () => seen.includes("Terminating"));
    expect(await kubectl("get pods")).toBe("");
    watch.kill();
  });

  test("applies devices, changes them, and gets their statuses", async () => {
    const device = (value: string) =>
      `apiVersion: devices.kubeedge.io/v1beta1\nkind: Device\nmetadata: { name: lamp }\nspec: { nodeName: edge-0, properties: [{ name: brightness, desired: { value: "${value}" }, reportToCloud: true }] }\n`;
    writeFileSync(join(folder.path, "device.yaml"), device("10"));
    expect(await kubectl("apply -f device.yaml")).toBe("device.devices.kubeedge.io/lamp created\n");
    writeFileSync(join(folder.path, "device.yaml"), device("20"));
    expect(await kubectl("apply -f device.yaml")).toBe("device.devices.kubeedge.io/lamp configured\n");
    await until("the device follows and reports", async () => {
      const out = await kubectl("get devicestatus lamp -o jsonpath={.status.twins[0].reported.value}");
      return out === "20";
    });
    const out = await kubectl("get devices,devicestatuses");
    expect(out).toMatch(/device\.devices\.kubeedge\.io\/lamp +\d+s/);
    expect(out).toMatch(/devicestatus\.devices\.kubeedge\.io\/lamp +\d+s/);
    await kubectl("delete -f device.yaml");
    await until("its status goes with it", async () => !(await kubectl("get devicestatuses")).includes("lamp"));
  });

  test("finds out what there is", async () => {
    expect(await kubectl("api-resources")).toMatch(/devices +devices\.kubeedge\.io\/v1beta1 +true +Device/);
    expect(await kubectl("version")).toContain("Server Version: v1.32");
    expect(await kubectl("describe node edge-0")).toMatch(/Ready +True .* EdgeReady/);
  });

  test("is answered what is wrong", async () => {
    writeFileSync(
      join(folder.path, "wrong.yaml"),
      "apiVersion: v1\nkind: Pod\nmetadata: { name: BAD }\nspec: { containers: [{ name: c, image: i }] }\n",
    );
    await expect(kubectl("apply -f wrong.yaml")).rejects.toThrow(/The Pod "BAD" is invalid: metadata\.name/);
    await expect(kubectl("get pod nothing")).rejects.toThrow('pods "nothing" not found');
  });
});
