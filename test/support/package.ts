// skep as it is published: packed from this clone, and installed into an empty folder.
import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { root } from "./pages.ts";

/** Whether there is an npm. */
export const hasPackages = spawnSync("npm", ["--version"], { shell: process.platform === "win32" }).status === 0;

/** The package in a folder: `install` packs this clone and installs it into `app`. */
export function packageIn(folder: string) {
  const source = join(folder, "source");
  const app = join(folder, "app");
  // The Node that runs this test comes first: the one a user of the package has is new enough.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };
  const run = async (command: string, args: readonly string[], cwd: string) =>
    (await promisify(execFile)(command, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 })).stdout;
  return {
    source,
    app,
    env,
    run,
    async install() {
      copyClone(source);
      await run("npm", ["pack", "--pack-destination", folder, "--loglevel=error"], source);
      mkdirSync(app);
      writeFileSync(join(app, "package.json"), '{ "type": "module" }');
      const tarball = join(folder, "skep-0.1.0.tgz");
      await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", tarball], app);
    },
  };
}

/** A copy of the clone: packing puts another manifest in place for a moment. */
export function copyClone(target: string): void {
  const unwanted = /^(node_modules|dist|image|skep-report|\.git)$/;
  cpSync(root, target, {
    recursive: true,
    filter: (path) => !unwanted.test(path.slice(root.length).replace(/^\//, "").split("/")[0] ?? ""),
  });
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"));
}

/** What a test of any runner does with a world; the module imports `start`. */
export const worldTest = `
  await using world = await start({ edges: 2 });
  await world.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { a: "b" } });
  await world.expect({ at: "edge/edge-1", match: { ready: true } });
  const held = await world.judge();
  if (held.some(({ verdict }) => verdict === "broken")) throw new Error(JSON.stringify(held));
`;
