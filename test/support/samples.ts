// Sample messages, what each test did with them, and the page that says so.
import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import type { Message } from "../../protocol/message/message.ts";

interface Sample {
  readonly file: string;
  readonly name: string;
  readonly direction: string;
  readonly expectedEffect: string;
  readonly message: Message;
}

/** What a page of results says. */
export interface SamplesPage {
  /** Its path, from the repository's root. */
  readonly page: string;
  readonly title: string;
  readonly about: readonly string[];
  /** What is not there yet, or is no message on a socket: by the beginning of the sample's name. */
  readonly missing: readonly (readonly [RegExp, string])[];
}

/** The samples of a file beside the wire tests. */
export function sampleSet(file: string) {
  const samples = JSON.parse(readFileSync(new URL(`../wire/${file}`, import.meta.url), "utf8")) as Sample[];
  /** What each test has looked at; with what is not there yet it must be all. */
  const tried = new Map<string, string>();
  return {
    sample(name: string): Message {
      const found = samples.find((s) => s.name === name);
      if (found === undefined) throw new Error(`there is no sample ${name}`);
      return found.message;
    },
    did(how: string, ...names: readonly string[]): void {
      for (const name of names) tried.set(name, how);
    },
    /** Every sample has been tried or is missing, and the page says so; `SKEP_UPDATE=1` writes it. */
    expectPage({ about, missing, page, title }: SamplesPage): void {
      const rows = samples.map(({ direction, file, name }) => {
        const how = tried.get(name);
        const reason = missing.find(([pattern]) => pattern.test(name))?.[1];
        return `| ${file} | ${name} | ${direction} | ${
          how !== undefined ? `✓ ${how}` : `– ${reason ?? "not tried"}`
        } |`;
      });
      const head = ["| controller | sample | direction | result |", "|---|---|---|---|"];
      const table = [`# ${title}`, "", ...about, "", ...head, ...rows, ""].join("\n");
      expect(rows.filter((row) => row.includes("– not tried"))).toEqual([]);
      const path = new URL(`../../${page}`, import.meta.url);
      if (process.env.SKEP_UPDATE === "1") writeFileSync(path, table);
      expect(readFileSync(path, "utf8")).toBe(table);
    },
  };
}
