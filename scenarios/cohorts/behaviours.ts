// How the devices of a cohort behave, from the words of a scenario: durations, tables beside it, and a check against the model.
import { CohortError } from "./cohort-error.ts";
import { readFile } from "node:fs/promises";
import { reasonOf } from "../../base/log/logger.ts";
import type { DeviceBehaviour } from "../../edge-sim/device/device.ts";
import type { Scalar, ValueSpec } from "../../edge-sim/device/values.ts";
import type { DeviceModel } from "../../protocol/apis/device.ts";
import { refuseTwin } from "../../protocol/twin/twin.ts";
import { milliseconds } from "../files/duration.ts";
import { fileBeside, InputFileError } from "../files/manifest.ts";
import type { CohortDevices, CohortMisbehaviour, CohortValues, ScenarioCohort } from "./cohort.ts";
import { readModel } from "./devices.ts";

/** Characters of a table's line. A quote that is never closed would otherwise take the rest of the file. */
const MAX_RECORD = 64 * 1024;

/**
 * By the name of their models: how a cohort's devices behave. Those of v1.1 have no mapper that could. Throws CohortError
 * where something is wrong with what was asked for.
 */
export async function behavioursOf(
  { devices = [], version = "v1.23" }: ScenarioCohort,
  scenarioFile: string,
): Promise<Record<string, DeviceBehaviour>> {
  const found: Record<string, DeviceBehaviour> = {};
  for (const wanted of devices) {
    if (wanted.values === undefined && wanted.misbehaves === undefined) continue;
    if (version === "v1.1") {
      throw new CohortError(
        "devices of v1.1 report what they are made to: leave `values` and `misbehaves` out of their cohort",
      );
    }
    const model = await readModel(wanted.model, scenarioFile);
    found[model.metadata.name] = await behaviourOf(wanted, model, scenarioFile);
  }
  return found;
}

/** One entry of a cohort's devices. */
async function behaviourOf(
  { misbehaves, values = {} }: CohortDevices,
  model: DeviceModel,
  scenarioFile: string,
): Promise<DeviceBehaviour> {
  const known = (model.spec?.properties ?? []).map(({ name }) => name);
  const sources = await Promise.all(
    Object.entries(values).map(async ([property, spec]) => {
      if (!known.includes(property)) {
        throw new CohortError(`the model ${model.metadata.name} has no ${property}; it has ${known.join(", ")}`);
      }
      const source = await sourceOf(spec, scenarioFile);
      for (const value of literalsOf(source)) {
        const refused = refuseTwin(property, String(value));
        if (refused !== undefined) throw new CohortError(refused);
      }
      return [property, source] as const;
    }),
  );
  return {
    values: Object.fromEntries(sources),
    ...(misbehaves === undefined ? {} : { misbehaves: inMilliseconds(misbehaves) }),
  };
}

async function sourceOf({ csv, ...spec }: CohortValues, scenarioFile: string): Promise<ValueSpec> {
  if (csv === undefined) return spec;
  const file = fileBeside(csv.file, scenarioFile);
  return { step: { values: await readColumn(file, csv.column) } };
}

/** The values of a column, from the table's second line on; its first names the columns. */
async function readColumn(file: string, column: string): Promise<string[]> {
  // Few scenarios have tables: the others need not load what reads them.
  const { parse } = await import("csv-parse/sync");
  let rows: Record<string, string>[];
  try {
    const text = await readFile(file, "utf8");
    rows = parse(text, {
      bom: true,
      columns: true,
      skipEmptyLines: true,
      trim: true,
      maxRecordSize: MAX_RECORD,
    });
  } catch (error) {
    throw new InputFileError(`can't read the table ${file}`, { details: [reasonOf(error)] });
  }
  const [first] = rows;
  if (first === undefined) throw new InputFileError(`the table ${file} has no lines below its first`);
  if (!Object.hasOwn(first, column)) {
    throw new InputFileError(`the table ${file} has no column ${column}; it has ${Object.keys(first).join(", ")}`);
  }
  return rows.map((row) => row[column] as string);
}

/** The values that are reported as they are written. */
function literalsOf({ constant, enumerated, step }: ValueSpec): readonly Scalar[] {
  return constant !== undefined ? [constant] : enumerated ?? step?.values ?? [];
}

function inMilliseconds({ lags, offline, ...shares }: CohortMisbehaviour): NonNullable<DeviceBehaviour["misbehaves"]> {
  return {
    ...shares,
    ...(lags === undefined ? {} : { lags: milliseconds(lags) }),
    ...(offline === undefined ? {} : {
      offline: { every: milliseconds(offline.every), for: milliseconds(offline.for) },
    }),
  };
}
