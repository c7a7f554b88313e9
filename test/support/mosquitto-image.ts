// An image of this machine's own mosquitto: nothing is pulled.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { GenericContainer } from "testcontainers";

/** Debian's program, where it is. */
export const mosquittoProgram = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"].find((
  path,
) => spawnSync(path, ["-h"]).error === undefined);

/** What the image with this configuration is called: files that run at the same time build their own. */
export const mosquittoImage = (config: string) =>
  `local/skep-mosquitto:${createHash("sha256").update(config).digest("hex").slice(0, 12)}`;

/** Builds it in this folder; `config` is the broker's. */
export async function buildMosquitto(folder: string, config: string): Promise<GenericContainer> {
  const { GenericContainer } = await import("testcontainers");
  const rootfs = join(folder, "rootfs");
  const libraries = execFileSync("ldd", [mosquittoProgram as string], { encoding: "utf8" }).match(/\/\S+/g) ?? [];
  for (const file of [mosquittoProgram as string, ...libraries]) {
    mkdirSync(dirname(join(rootfs, file)), { recursive: true });
    copyFileSync(realpathSync(file), join(rootfs, file));
  }
  mkdirSync(join(rootfs, "etc"), { recursive: true });
  writeFileSync(join(rootfs, "etc", "mosquitto.conf"), config);
  writeFileSync(join(rootfs, "etc", "passwd"), "root:x:0:0::/:/\n");
  writeFileSync(
    join(folder, "Dockerfile"),
    `FROM scratch\nCOPY rootfs /\nCMD ["${mosquittoProgram}", "-c", "/etc/mosquitto.conf"]\n`,
  );
  return await GenericContainer.fromDockerfile(folder).build(mosquittoImage(config), { deleteOnExit: false });
}
