// Makes sure node_modules is what package-lock.json says, so that `npm start` and `npm test` work on a fresh clone.
// Plain JavaScript without dependencies: it runs before there is anything else, on whatever Node runs npm.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const stamp = "node_modules/.skep-installed";
const wanted = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex");
const installed = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";

if (installed !== wanted) {
  // Standard output belongs to the command that follows (`--json`), so npm's own words go to standard error.
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) {
    console.error("skep: `npm ci` failed; see its message above. Is the package registry reachable?");
    process.exit(npm.status ?? 1);
  }
  writeFileSync(stamp, wanted);
}
