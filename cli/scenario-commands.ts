// The commands about scenarios: run them, compare targets, look at targets, read and write scenarios. Each is loaded only when it is called.
import type { Command } from "commander";
import { finish } from "./finish.ts";
import { bytes, duration, integer, names, part, withFlags } from "./flags.ts";
import type { InitFlags } from "./init.ts";
import type { MatrixFlags } from "./matrix.ts";
import type { RunFlags } from "./run.ts";
import type { Selection } from "./selection.ts";
import type { TargetCheckFlags } from "./target.ts";
import type { ExportFlags, ImportFlags } from "./translate.ts";

type ListFlags = Selection & { readonly json?: boolean; readonly load?: boolean };

/** Adds them to the program. */
export function scenarioCommands(program: Command): void {
  const run = program.command("run [files...]").description(
    "run scenarios: these files, or the library that comes with skep",
  );
  withFlags(run, [
    "kubeconfig",
    "target",
    "cloudcore",
    "edges",
    "seed",
    "timeScale",
    "report",
    "json",
    "bind",
    "port",
    "quiet",
    "verbose",
    "select",
  ])
    .option("--shard <i/n>", "of n parts of the scenarios the i-th, for n jobs of a CI server", part)
    .option("--last-failed", "only those that failed in the last run, by its reports")
    .option(
      "--messages <size>",
      "memory for the messages of each scenario, such as 512MiB: where more come, invariants about messages can't be judged (64MiB)",
      bytes,
    )
    .option("--repeat <n>", "run them n times, and say how often each has held", integer(1, 10_000))
    .option("--timeout <time>", "the longest time of each scenario, instead of its own", duration)
    .option("--watch", "run again what a saved file touches, until Ctrl-C; scenarios in code are loaded once")
    .option("--update", "write what was found into the scenarios, where that is not what they expect")
    .option("--fail-on-skip", "a scenario that is skipped counts as failed")
    .option("--record", "keep the messages of each scenario that fails, in recordings/ beside the reports")
    .option("--bail", "begin no further scenario once one has failed")
    .option(
      "--parallel <n>",
      "scenarios at the same time, each in an environment of its own (4 on the embedded API)",
      integer(1, 64),
    )
    .option(
      "--retries <n>",
      "retry a failed scenario up to n times; if it then passes, report it as flaky",
      integer(0, 100),
      0,
    )
    .addHelpText("after", "\nExample:\n  skep run scenarios/library/pods/1-pod-running.yaml --seed 7")
    .action(async (files: string[], options: RunFlags) =>
      finish((await import("./run.ts")).runCommand(files, options))
    );

  const matrix = program.command("matrix [files...]").description(
    "run the same scenarios on several targets, and compare them: one table, and how messages differ",
  );
  withFlags(matrix, ["edges", "seed", "report", "json", "bind", "quiet", "verbose", "select"])
    .option(
      "--targets <names>",
      "targets of skep.yaml, or files, with commas between them (matrix of skep.yaml)",
      names,
    )
    .option("--timeout <time>", "the longest time of each scenario, instead of its own", duration)
    .option("--retries <n>", "retry a failed scenario up to n times", integer(0, 100), 0)
    .option("--fail-on-skip", "a scenario that is skipped counts as failed")
    .option("--take-over", "serve a cluster that another cloudcore has served, with its CA")
    .option("--allow-exec", "let scenarios run commands on this machine")
    .addHelpText("after", "\nExample:\n  skep matrix --targets embedded,go-1.23 --tag smoke")
    .action(async (files: string[], options: MatrixFlags) =>
      finish((await import("./matrix.ts")).matrixCommand(files, options))
    );

  const target = program.command("target").description("look at the targets that scenarios can be run on (skep.yaml)");
  withFlags(target.command("list").description("the targets of skep.yaml"), ["json"])
    .addHelpText("after", "\nExample:\n  skep target list")
    .action(async (options: { readonly json?: boolean }) =>
      finish((await import("./target.ts")).targetListCommand(options))
    );
  withFlags(
    target.command("check [target]").description(
      "start or reach a target, and say what it can do and what would be skipped",
    ),
    ["kubeconfig", "target", "cloudcore", "json", "bind", "port", "verbose"],
  )
    .addHelpText("after", "\nExample:\n  skep target check staging")
    .action(async (name: string | undefined, options: TargetCheckFlags) =>
      finish((await import("./target.ts")).targetCheckCommand(name, options))
    );
  target.command("rbac").description("the rights that skep needs in a cluster, as YAML")
    .option("--namespace <name>", "of the ServiceAccount", "skep")
    .option("--authorization", "also for a cloudcore with skep.impersonation: it asks in the names of its edges")
    .addHelpText("after", "\nExample:\n  skep target rbac | kubectl apply -f -")
    .action(async (options: { readonly namespace: string; readonly authorization?: boolean }) =>
      finish((await import("./target.ts")).targetRbacCommand(options))
    );

  const list = program.command("list [files...]").description("list scenarios: of these files, or of the library");
  withFlags(list, ["json", "select"])
    .option("--load", "the load profiles that come with skep")
    .addHelpText("after", "\nExample:\n  skep list --tag device")
    .action(async (files: string[], options: ListFlags) =>
      finish((await import("./list.ts")).listCommand(files, options))
    );

  program.command("check <files...>").description("read scenario files and say what is wrong with them")
    .addHelpText("after", "\nExample:\n  skep check my-scenario.yaml")
    .action(async (files: string[]) => finish((await import("./list.ts")).checkCommand(files)));

  const imports = program.command("import").description("write scenarios that do what other people's tests do");
  imports.command("chainsaw <folder>").description("Chainsaw's tests: a folder for each, with chainsaw-test.yaml")
    .option("--out <folder>", "where the scenarios go", "scenarios")
    .addHelpText("after", "\nExample:\n  skep import chainsaw tests/e2e --out scenarios")
    .action(async (folder: string, options: ImportFlags) =>
      finish((await import("./translate.ts")).importChainsawCommand(folder, options))
    );

  program.command("export <file>").description("write the scenario of a YAML file as a TypeScript module")
    .option("-o, --output <file>", "where it goes (standard output)")
    .option("--from <module>", "what it imports skep from", "skep")
    .addHelpText("after", "\nExample:\n  skep export scenario.yaml -o scenario.ts")
    .action(async (file: string, options: ExportFlags) =>
      finish((await import("./translate.ts")).exportCommand(file, options))
    );

  program.command("init [file]").description("write a first scenario to change, targets to run it on, and a workflow")
    .option("--bare", "only the scenario")
    .addHelpText("after", "\nExample:\n  skep init scenarios/mine.yaml")
    .action(async (file = "my-scenario.yaml", options: InitFlags) =>
      finish((await import("./init.ts")).initCommand(file, options))
    );
}
