// What npm calls around `npm pack`: `before` compiles into dist/ and puts the published manifest in place, `after` takes it back.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const manifest = "package.json";
const kept = ".package.json.kept";
const rooms = ["base", "protocol", "cloud", "edge-sim", "proxy", "scenarios", "cli"];

/** Files that are data: they go along as they are. */
const data = /\.(yaml|json|css|csv|html|svg)$|^console\/page\/.*\.js$/;

function before(): void {
  // A pack that was broken off has left its manifest: the real one is the kept one.
  if (existsSync(kept)) renameSync(kept, manifest);
  rmSync("dist", { recursive: true, force: true });
  const tsc = spawnSync(process.execPath, [
    join("node_modules", "typescript", "bin", "tsc"),
    "--project",
    "tsconfig.dist.json",
  ], { stdio: ["ignore", 2, 2] });
  if (tsc.status !== 0) throw new Error("the source could not be compiled");
  for (const room of rooms) {
    for (const name of readdirSync(room, { recursive: true, encoding: "utf8" }).filter((file) => data.test(file))) {
      const target = join("dist", room, name);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(room, name), target);
    }
  }
  const source = readFileSync(manifest, "utf8");
  const { dependencies, description, devDependencies, license, name, optionalDependencies, scripts, type, version } =
    JSON.parse(source);
  // The runtimes that a clone brings along are the user's own business; QUIC is there where it can be had.
  const optional = Object.entries(optionalDependencies as Record<string, string>).filter(([dependency]) =>
    !dependency.startsWith("node-")
  );
  const peers = Object.fromEntries(
    Object.entries(devDependencies as Record<string, string>).filter(([dependency]) =>
      dependency.startsWith("@opentelemetry/") || dependency === "testcontainers"
    )
      .map(([dependency, range]) => [dependency, `^${range}`]),
  );
  const published = {
    name,
    version,
    description,
    license,
    type,
    engines: { node: ">=24" },
    bin: { skep: "bin/skep.mjs" },
    exports: {
      ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
      "./containers": {
        types: "./dist/scenarios/targets/containers.d.ts",
        default: "./dist/scenarios/targets/containers.js",
      },
      "./package.json": "./package.json",
    },
    // A pack that was broken off leaves this manifest: the next one must find its way back.
    scripts: { prepack: scripts.prepack, postpack: scripts.postpack },
    files: ["bin", "dist", "docs", "CHANGELOG.md", "SECURITY.md"],
    publishConfig: { access: "public", provenance: true },
    dependencies,
    // Users who want traces or containers install these; nobody else loads them.
    peerDependencies: peers,
    peerDependenciesMeta: Object.fromEntries(Object.keys(peers).map((each) => [each, { optional: true }])),
    optionalDependencies: Object.fromEntries(optional),
  };
  renameSync(manifest, kept);
  writeFileSync(manifest, `${JSON.stringify(published, null, 2)}\n`);
}

function after(): void {
  if (existsSync(kept)) renameSync(kept, manifest);
}

process.argv[2] === "after" ? after() : before();
