// docs/security.md: what attackers sent to KubeEdge, what skep does with it, and the tests that send it.
import { readFile } from "node:fs/promises";
import { escaped, has, labelOf } from "./coverage.ts";

interface Row {
  /** An advisory, a commit of KubeEdge's that mended a crash, an issue, or a word. */
  readonly id: string;
  readonly input: string;
  readonly ours: string;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
}

/** Throws an Error that names each row without a test, and each test that is not there. */
export async function securityPage(): Promise<string> {
  const rows = JSON.parse(await readFile("test/statements/security.json", "utf8")) as Row[];
  const faults: string[] = [];
  for (const { id, tests } of rows) {
    if (tests.length === 0) faults.push(`${id} has no test`);
    for (const { file, name } of tests) {
      const source = await readFile(file, "utf8").catch(() => "");
      if (!has(source, file, name)) faults.push(`${id}: there is no test ${JSON.stringify(name)} in ${file}`);
    }
  }
  if (faults.length > 0) throw new Error(`security: ${faults.join("; ")}`);
  return [
    "# Security",
    "",
    "What attackers sent to KubeEdge, or could send, and what skep does with it: every row has a test that sends it. Limits are in [limits.ts](../protocol/limits.ts), each with its reason;",
    "what comes from outside is also made up at random (`test/fuzz`; what once failed is kept in `test/fuzz/corpus`). Report what you find as [SECURITY.md](../SECURITY.md) says.",
    "",
    "| what | input | skep | tests |",
    "|---|---|---|---|",
    ...rows.map(({ id, input, ours, tests }) =>
      `| ${linkOf(id)} | ${escaped(input)} | ${escaped(ours)} | ${
        tests.map(({ file, name }) => `[${escaped(labelOf(name, file))}](../${file})`).join("<br>")
      } |`
    ),
    "",
    "What is not bounded by a number of its own, and why:",
    "",
    "- Handshakes of one address in a second: ten thousand edges behind one address are a use of skep. Those that are under way at once are bounded, and so is their time.",
    "- Messages of one edge in a second: where an edge sends more than is worked on, its socket is read no further (`upstreamMessages`, `upstreamBytes`), which holds up that edge alone.",
    "",
  ].join("\n");
}

function linkOf(id: string): string {
  if (id.startsWith("CVE-")) return `[${id}](https://www.cve.org/CVERecord?id=${id})`;
  if (id.startsWith("#")) return `[${id}](https://github.com/kubeedge/kubeedge/issues/${id.slice(1)})`;
  return id.replaceAll(
    /\b[0-9a-f]{9}\b/g,
    (commit) => `[${commit}](https://github.com/kubeedge/kubeedge/commit/${commit})`,
  );
}
