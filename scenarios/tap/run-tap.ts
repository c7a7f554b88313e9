// The tap of `skep run`: the environments of its scenarios as they come and go, and its recordings of what failed.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { HopRing } from "../../base/hop/ring.ts";
import { maskHop } from "../../protocol/message/mask.ts";
import type { Environment } from "../model/environment.ts";
import { RecordingWriter } from "../recording/format.ts";
import { LocalSource } from "./local.ts";
import { JoinedSource } from "./remote.ts";
import { RunView } from "./run-view.ts";

/** Environments that are open. Scenarios that run at the same time have edges of the same names: with `--parallel 1` each is seen alone. */
export class RunTap {
  readonly view: RunView;
  readonly #ring: HopRing;
  readonly #open = new Map<Environment, LocalSource>();
  readonly source = new JoinedSource(() => [...this.#open.values()]);

  /** `ring` gets the hops of all of them. */
  constructor(ring: HopRing, title: string) {
    this.#ring = ring;
    this.view = new RunView(title);
  }

  opened(environment: Environment): void {
    const { fleet, hops } = environment;
    this.#open.set(
      environment,
      new LocalSource({
        cloud: () => environment.inspector(),
        edges: () => fleet.edges(),
        edge: (name) => fleet.get(name),
        gauges: () => environment.metrics(),
      }),
    );
    for (const hop of hops.since(0)) this.#ring.on?.(hop);
    hops.listen((hop) => this.#ring.on?.(hop));
  }

  closed(environment: Environment): void {
    this.#open.delete(environment);
  }
}

/** Writes the hops of a scenario that failed; resolves with the file's name inside `dir`. Rejects with RecordingError. */
export async function recordFailure(dir: string, name: string, index: number, hops: HopRing): Promise<string> {
  const folder = "recordings";
  await mkdir(join(dir, folder), { recursive: true });
  const slug = name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 80).replace(/^-|-$/g, "");
  const file = join(folder, `${index + 1}-${slug}.jsonl.gz`);
  const writer = new RecordingWriter(join(dir, file), `scenario ${name}`, true);
  for (const hop of hops.since(0)) writer.write(maskHop(hop));
  await writer.close();
  return file;
}
