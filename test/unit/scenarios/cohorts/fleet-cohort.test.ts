import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadCohorts, parseCohorts } from "../../../../scenarios/cohorts/read.ts";
import { cohortOf } from "../../../../scenarios/cohorts/fleet-cohort.ts";

const folder = mkdtempSync(join(tmpdir(), "skep-cohorts-"));
const file = join(folder, "cohorts.yaml");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

writeFileSync(join(folder, "two.csv"), 'a,"b, in quotes"\n1,"2"\n\n3, 4\n');
writeFileSync(join(folder, "head.csv"), "a,b\n");
writeFileSync(join(folder, "torn.csv"), 'a,b\n1,"2\n');

async function read(text: string) {
  writeFileSync(file, text);
  const written = await loadCohorts(file);
  return await Promise.all(written.map((cohort) => cohortOf(cohort, file, { timeScale: 10 })));
}
const thermometer = (words: string) => `fleet: [{ cohort: a, devices: [{ model: thermometer, ${words} }] }]`;

test("pauses are divided by the time scale; endpoints are each edge's own", async () => {
  const [cohort] = await read(`fleet:
  - cohort: a
    count: 3
    reconnect: { wait: 10s, factor: 2, jitter: 0.5 }
    mqtt: { port: 1883 }
    serviceBus: {}
    dmi: sockets
    mapper: dmi
    devices: [{ model: thermometer }]
`);
  expect(cohort?.reconnect).toEqual({ initial: 1000, factor: 2, cap: 10_000, jitter: 0.5 });
  expect(cohort?.mapper).toBe("socket");
  expect(cohort?.endpoints?.("a-2", 2)).toEqual({
    mqtt: { keepsLast: false, internal: { host: "127.0.0.1", port: 1885 } },
    serviceBus: { host: "127.0.0.1", port: 0 },
    dmi: { socket: join(process.cwd(), "sockets", "a-2", "dmi.sock"), protocols: ["skep"] },
  });
});

describe("cohorts", () => {
  test("become what the fleet takes: numbers, milliseconds, columns", async () => {
    const [cohort] = await read(`fleet:
  - cohort: a
    count: 3
    pods: 7
    labels: { site: north }
    link: { latency: 20ms, jitter: 5ms }
    devices:
      - model: thermometer
        values: { temperature: { csv: { file: two.csv, column: "b, in quotes" } }, humidity: { counter: { from: 4 } } }
        misbehaves: { refuses: 0.5, lags: 2s, offline: { every: 1m, for: 10s } }
`);
    expect(cohort).toEqual({
      cohort: "a",
      count: 3,
      pods: 7,
      labels: { site: "north" },
      link: { latency: 20, jitter: 5 },
      behaviours: {
        thermometer: {
          values: { temperature: { step: { values: ["2", "4"] } }, humidity: { counter: { from: 4 } } },
          misbehaves: { refuses: 0.5, lags: 2000, offline: { every: 60_000, for: 10_000 } },
        },
      },
    });
  });

  test("are one edge each by default, whose devices behave", async () => {
    expect(await read("fleet: [{ cohort: a }]")).toEqual([{ cohort: "a", count: 1, behaviours: {} }]);
  });

  test.each<[string, string, RegExp]>([
    ["no YAML", "fleet: [", /cohorts\.yaml:1:\d+: not YAML/],
    ["nothing", "", /cohorts\.yaml:1:1: /],
    ["two of a name", "fleet: [{ cohort: a }, { cohort: a }]", /cohorts\.yaml:1:34: there are two cohorts a/],
    [
      "an unknown source",
      thermometer("values: { temperature: { sinus: {} } }"),
      /unknown field "sinus"; allowed are constant, step, sine/,
    ],
    [
      "two sources",
      thermometer("values: { temperature: { constant: 1, counter: {} } }"),
      /temperature must have exactly one of constant, step, .*, csv, found \{"constant":1,"counter":\{\}\}/,
    ],
    ["no source", thermometer("values: { temperature: {} }"), /cohorts\.yaml:1:\d+: .*temperature/],
    ["a share above 1", thermometer("misbehaves: { refuses: 2 }"), /refuses/],
    [
      "a property that the model lacks",
      thermometer("values: { heat: { constant: 1 } }"),
      /the model thermometer has no heat; it has temperature, humidity/,
    ],
    [
      "a value that may not travel",
      thermometer("values: { temperature: { constant: a b } }"),
      /may only have up to 512 of/,
    ],
    [
      "a table that is not there",
      thermometer("values: { temperature: { csv: { file: no.csv, column: x } } }"),
      /can't read the table .*no\.csv/,
    ],
    [
      "a torn table",
      thermometer("values: { temperature: { csv: { file: torn.csv, column: a } } }"),
      /can't read the table .*torn\.csv/,
    ],
    [
      "a table without lines",
      thermometer("values: { temperature: { csv: { file: head.csv, column: a } } }"),
      /head\.csv has no lines below its first/,
    ],
    [
      "a column that is not there",
      thermometer("values: { temperature: { csv: { file: two.csv, column: x } } }"),
      /two\.csv has no column x; it has a, b/,
    ],
    [
      "values for v1.1",
      "fleet: [{ cohort: a, version: v1.1, devices: [{ model: thermometer, misbehaves: { refuses: 1 } }] }]",
      /devices of v1\.1 report what they are made to/,
    ],
  ])("with %s are refused", async (_, text, expected) => {
    await expect(read(text)).rejects.toThrow(expected);
  });
});

test("a file of cohorts is one document: a second one is refused, not ignored", () => {
  const text = "fleet: [{ cohort: a }]\n---\nfleet: [{ cohort: b }]\n";
  expect(() => parseCohorts(text, "f.yaml")).toThrow("f.yaml:3:1: a file of cohorts is one YAML document");
});
