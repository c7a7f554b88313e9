// The one test command: type check, lint, suites on Node and Deno, contracts, library, fuzzers; then one line of totals.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** What a stage came to. */
interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  /** Why tests were skipped, each reason once. */
  reasons: Set<string>;
}

interface Stage {
  readonly name: string;
  /** Whether it runs beside those before it that say so, too: such a stage waits most of its time. Default: false. */
  readonly isBeside?: boolean;
  run(dir: string): Promise<Outcome>;
}

/** `SKEP_REQUIRE=all`: what is not there to be tested with counts as a failure. */
const requireAll = process.env.SKEP_REQUIRE === "all";

const node = process.execPath;
const bin = (name: string) => join("node_modules", ".bin", name);

function spawned(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, CI: "true", NO_COLOR: "1", ...env },
      shell: process.platform === "win32",
    });
    let text = "";
    const take = (chunk: Uint8Array) => {
      text += String(chunk);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", (error) => resolve({ code: 127, text: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, text }));
  });
}

/** A command that either passes or fails. */
function check(name: string, command: string, ...args: string[]): Stage {
  return {
    name,
    async run() {
      const { code, text } = await spawned(command, args);
      if (code !== 0) console.log(text.trimEnd());
      return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, reasons: new Set() };
    },
  };
}

interface VitestReport {
  readonly numFailedTestSuites: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** vitest over some folders, counted test by test. */
function suite(
  name: string,
  command: readonly string[],
  folders: readonly string[],
  env: Record<string, string> = {},
): Stage {
  return {
    name,
    async run(dir) {
      const file = join(dir, `${name.replace(/\W+/g, "-")}.json`);
      const [program = "", ...args] = command;
      const { code, text } = await spawned(program, [
        ...args,
        "run",
        ...folders,
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${file}`,
      ], env);
      const outcome: Outcome = { passed: 0, failed: 0, skipped: 0, reasons: new Set() };
      const report = await readFile(file, "utf8").then((json) => JSON.parse(json) as VitestReport, () => undefined);
      for (const result of report?.testResults ?? []) {
        // A file that could not be loaded has no tests of its own to fail.
        if (result.status === "failed" && result.assertionResults.length === 0) outcome.failed++;
        for (const test of result.assertionResults) {
          if (test.status === "passed") outcome.passed++;
          else if (test.status === "failed") outcome.failed++;
          else {
            outcome.skipped++;
            outcome.reasons.add(/\[(needs [^\]]+)\]/.exec(test.fullName)?.[1] ?? test.fullName);
          }
        }
      }
      if (code !== 0 && outcome.failed === 0) outcome.failed++;
      if (outcome.failed > 0) console.log(text.trimEnd());
      for (const line of text.split("\n")) {
        const isTold = line.includes("contract:") || line.startsWith("kills:") || line.startsWith("fleet:") ||
          /^(Statements|Branches|Functions|Lines) /.test(line);
        if (isTold) console.log(`  ${line.trim()}`);
      }
      return outcome;
    },
  };
}

/** The scenario library, counted scenario by scenario. */
function library(name: string, command: readonly string[]): Stage {
  return {
    name,
    isBeside: true,
    async run(dir) {
      const [program = "", ...args] = command;
      const report = join(dir, name.replace(/\W+/g, "-"));
      const { code, text } = await spawned(program, [
        ...args,
        "run",
        "--port",
        "0",
        "--report",
        report,
      ]);
      const file = await readFile(join(report, "report.json"), "utf8").then(
        (json) => JSON.parse(json),
        () => undefined,
      );
      // What a runtime can't have, however the machine is fitted out, is not counted: QUIC on Deno.
      const scenarios = ((file?.scenarios ?? []) as { verdict: string; reason?: string }[]).filter((
        { reason, verdict },
      ) => !(verdict === "skipped" && reason?.includes("has no quic") && name.includes("Deno")));
      const verdicts = scenarios.map(({ verdict }) => verdict);
      const count = (verdict: string) => verdicts.filter((v) => v === verdict).length;
      const failed = Math.max(count("failed"), code === 0 ? 0 : 1);
      if (failed > 0) console.log(text.trimEnd());
      return { passed: count("passed"), failed, skipped: count("skipped"), reasons: new Set() };
    },
  };
}

// Deno keeps its cache in the clone, as `scripts/deno.mjs` has it.
process.env.DENO_DIR ??= resolve("node_modules", ".cache", "deno");
const onNode = [node, bin("vitest").replace(/\.bin.vitest$/, join("vitest", "vitest.mjs"))];
const onDeno = [bin("deno"), "run", "-A", "npm:vitest"];
const stages: readonly Stage[] = [
  check("types", node, join("node_modules", "typescript", "bin", "tsc"), "--noEmit"),
  check("types on Deno", bin("deno"), "check", "cli/main.ts"),
  check("lint", bin("deno"), "lint", "--quiet"),
  check("format", bin("deno"), "fmt", "--check", "--quiet"),
  check("lock file", "npm", "ci", "--dry-run", "--no-audit", "--no-fund", "--loglevel=error"),
  // Loading the modules anew for each of ninety files would take a third of the time.
  suite("unit and wire on Node", onNode, ["test/unit", "test/wire", "test/fuzz", "--no-isolate", "--coverage"]),
  suite("unit and wire on Deno", onDeno, ["test/unit", "test/wire", "--no-isolate"]),
  suite("contracts", onNode, ["test/contract"]),
  suite("commands, interop and kills", onNode, ["test/cli", "test/interop", "test/robustness"]),
  library("library on Node", [node, "bin/skep.mjs"]),
  library("library on Deno", [bin("deno"), "run", "-A", "cli/main.ts"]),
];

/** What takes too long for every day. */
const longStages: readonly Stage[] = [
  ...Array.from(
    { length: 5 },
    (_, i) =>
      suite(`kills, seed ${i + 1}`, onNode, ["test/robustness"], { SKEP_KILLS: "40", SKEP_SEED: String(i + 1) }),
  ),
  suite("fuzzers, longer", onNode, ["test/fuzz"], { SKEP_FUZZ_MS: "60000" }),
  suite("fleet", onNode, ["test/long"]),
];

const words = process.argv.slice(2);
const isLong = words.includes("--long");
const only = words.filter((word) => word !== "--long");
const dir = await mkdtemp(join(tmpdir(), "skep-test-"));
const total: Outcome = { passed: 0, failed: 0, skipped: 0, reasons: new Set() };
try {
  const chosen = (isLong ? longStages : stages).filter(({ name }) =>
    only.length === 0 || only.some((word) => name.includes(word))
  );
  const beside = new Map<Stage, { readonly began: number; readonly outcome: Promise<Outcome> }>();
  for (const [i, stage] of chosen.entries()) {
    const now = performance.now();
    for (const next of chosen.slice(i)) {
      if (!stage.isBeside || !next.isBeside) break;
      if (!beside.has(next)) beside.set(next, { began: now, outcome: next.run(dir) });
    }
    const { began = now, outcome: running = stage.run(dir) } = beside.get(stage) ?? {};
    const outcome = await running;
    if (requireAll && outcome.skipped > 0) {
      outcome.failed += outcome.skipped;
      outcome.skipped = 0;
    }
    total.passed += outcome.passed;
    total.failed += outcome.failed;
    total.skipped += outcome.skipped;
    for (const reason of outcome.reasons) total.reasons.add(reason);
    const took = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `${
        outcome.failed > 0 ? "✗" : "✓"
      } ${stage.name}: ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} skipped (${took} s)`,
    );
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}
for (const reason of total.reasons) console.log(`skipped: ${reason}`);
if (total.passed + total.failed === 0) total.failed++;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;
