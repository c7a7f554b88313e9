// What fuzzers share: how long each goes on, by a number of cases or with `SKEP_FUZZ_MS` a time, which errors are none, and what is kept of what they found.
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { vi } from "vitest";

const ms = Number(process.env.SKEP_FUZZ_MS ?? 0);

/** Parameters of `fc.assert`. `SKEP_FUZZ_RUNS` says another number of cases than a thousand. */
export const fuzzing = ms > 0
  ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: ms }
  : { numRuns: Number(process.env.SKEP_FUZZ_RUNS ?? 1000) };

if (ms > 0) vi.setConfig({ testTimeout: 2 * ms + 60_000 });

/** Runs it; an error of one of the types is fine, any other is a finding. */
export function tolerates(run: () => unknown, ...types: (new (...args: never[]) => Error)[]): void {
  try {
    run();
  } catch (error) {
    if (!types.some((type) => error instanceof type)) throw error;
  }
}

/**
 * Tries the property with what is kept in test/fuzz/corpus under this name, and with random values. What fails is kept there, smallest
 * first found, to be committed with its fix: so it is tried first from then on.
 */
export async function fuzz<T>(
  name: string,
  property: fc.IRawProperty<T>,
  parameters: fc.Parameters<T>,
): Promise<void> {
  const file = new URL(`../fuzz/corpus/${name}.json`, import.meta.url);
  let kept: unknown[];
  try {
    kept = JSON.parse(readFileSync(file, "utf8"), revived) as unknown[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    kept = [];
  }
  const found = await fc.check(property as fc.IAsyncProperty<T>, { ...parameters, examples: kept as T[] });
  if (!found.failed) return;
  const { counterexample } = found;
  if (counterexample !== null) {
    const all = [...kept, counterexample].map((each) => JSON.stringify(each, replaced, 2));
    writeFileSync(file, `[${[...new Set(all)].join(",\n")}]\n`);
  }
  throw new Error(fc.defaultReportMessage(found), { cause: found.errorInstance });
}

/** Bytes stand in files as base64. */
function replaced(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  return original instanceof Uint8Array ? { $bytes: Buffer.from(original).toString("base64") } : value;
}

function revived(_: string, value: unknown): unknown {
  const { $bytes } = (value ?? {}) as { readonly $bytes?: unknown };
  return typeof $bytes === "string" ? Buffer.from($bytes, "base64") : value;
}
