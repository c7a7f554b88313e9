// Builds the image of the Containerfile: this machine's Node with its libraries, and the package as it is published. `--prepare` only fills image/.
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";

const tag = process.argv.slice(2).find((arg) => !arg.startsWith("--")) ?? "skep";
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };
const run = (command: string, args: readonly string[], cwd = ".") =>
  execFileSync(command, args, { cwd, env, stdio: ["ignore", "ignore", "inherit"] });

/** Files of packages that nothing loads: types, sources, maps, documentation. */
const unused = /\.(d\.[cm]?ts|map|md|markdown|flow|[cm]?ts)$|^(test|tests|docs|example|examples|\.github)$/i;

function runtime(root: string): void {
  const node = join(root, "bin", "node");
  mkdirSync(dirname(node), { recursive: true });
  copyFileSync(process.execPath, node);
  // Symbols are a fifth of it; without the tool they stay.
  spawnSync("strip", [node]);
  const libraries = execFileSync("ldd", [process.execPath], { encoding: "utf8" });
  for (const [, path = ""] of libraries.matchAll(/(\/\S+) \(0x/g)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(realpathSync(path), join(root, path));
  }
  mkdirSync(join(root, "etc"));
  writeFileSync(join(root, "etc", "passwd"), "skep:x:65532:65532::/tmp:/bin/false\n");
  mkdirSync(join(root, "tmp"));
  // The umask does not count here: a tmpfs takes this mode over.
  chmodSync(join(root, "tmp"), 0o1777);
  for (const file of ["/etc/ssl/certs/ca-certificates.crt"]) {
    if (!existsSync(file)) continue;
    mkdirSync(join(root, dirname(file)), { recursive: true });
    copyFileSync(realpathSync(file), join(root, file));
  }
}

function app(root: string): void {
  const work = mkdtempSync(join(tmpdir(), "skep-image-"));
  try {
    run("npm", ["pack", "--pack-destination", work, "--loglevel=error"]);
    const packed = readdirSync(work).find((name) => name.endsWith(".tgz")) as string;
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, "package.json"), '{ "type": "module", "private": true }\n');
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    run("npm", ["install", "--omit=dev", "--omit=optional", "--omit=peer", ...quiet, join(work, packed)], root);
    prune(join(root, "node_modules"));
  } finally {
    rmSync(work, { recursive: true });
  }
}

function prune(folder: string): void {
  // skep's own pages are read by its users.
  if (basename(folder) === "skep") return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (unused.test(entry.name) && basename(folder) !== "node_modules") rmSync(path, { recursive: true });
    else if (entry.isDirectory()) prune(path);
  }
}

rmSync("image", { recursive: true, force: true });
runtime(join("image", "runtime"));
app(join("image", "app"));
if (!process.argv.includes("--prepare")) {
  const tool = ["docker", "podman"].find((name) => spawnSync(name, ["version"]).status === 0);
  if (tool === undefined) throw new Error("docker or podman is needed; with --prepare only image/ is filled");
  // A context of its own: only what the image holds is sent.
  const context = mkdtempSync(join(tmpdir(), "skep-context-"));
  cpSync("Containerfile", join(context, "Containerfile"));
  cpSync("image", join(context, "image"), { recursive: true });
  run(tool, ["build", "-q", "-t", tag, "-f", join(context, "Containerfile"), context]);
  rmSync(context, { recursive: true });
  process.stdout.write(`built ${tag}; try: ${tool} run --rm --read-only --tmpfs /tmp ${tag} run --tag smoke\n`);
}
