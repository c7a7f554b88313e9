// The twins of one device, and KubeEdge's rules for who may change them and what is published then (KubeEdge v1.23 `edge/pkg/devicetwin/dtmanager/twin.go`).
import { SkepError } from "../../base/error/skep-error.ts";
import { limits } from "../../protocol/limits.ts";
import {
  type MsgTwin,
  nextTwinVersion,
  refuseTwinType,
  type TwinDocument,
  type TwinOrigin,
  type TwinValue,
  type TwinVersion,
} from "../../protocol/twin/twin.ts";

/** One property as the edge keeps it. A side without `value` was deleted. */
export interface Twin {
  readonly expected?: TwinValue;
  readonly actual?: TwinValue;
  /** Whether a mapper may delete it. */
  readonly optional: boolean;
  /** `deleted` for a deleted one: its row stays, with its versions. */
  readonly type: string;
  readonly expected_version?: TwinVersion;
  readonly actual_version?: TwinVersion;
}

/** What an update led to. Versions are left out of what mappers read. */
export interface TwinChanges {
  /** For the mapper that asked: what was taken, null for what was deleted. */
  readonly result: Record<string, MsgTwin | null>;
  /** For all mappers: before and after. */
  readonly document: Record<string, TwinDocument>;
  /** For the cloud: what the edge has set, or what it has where it refused the cloud's. */
  readonly sync: Record<string, MsgTwin>;
}

/** A mapper's update that is refused as a whole; the message is KubeEdge's own. */
export class TwinError extends SkepError {
  readonly code = "SKEP_TWIN";
}

type Writer = "edge" | "cloud";
const sides = ["expected", "actual"] as const;
const GONE = "deleted";
const zero: TwinVersion = { cloud: 0, edge: 0 };

export class TwinTable {
  #twins: Map<string, Twin>;

  /** Empty, or with the rows of a former one: a side whose value is empty comes back without it, as from edgecore's database. */
  constructor(rows: Readonly<Record<string, Twin>> = {}) {
    this.#twins = new Map(
      Object.entries(rows).map(([name, { actual, expected, ...twin }]) => [name, {
        ...twin,
        ...(expected?.value ? { expected } : {}),
        ...(actual?.value ? { actual } : {}),
      }]),
    );
  }

  /**
   * A mapper (`edge`) or the cloud sets twins; null deletes one. Nothing is compared with what was there: what is set again
   * counts as a change. Throws TwinError where a mapper's value has the wrong type: then nothing has changed.
   */
  update(given: Readonly<Record<string, MsgTwin | null>>, by: Writer, now: number): TwinChanges {
    const changes: TwinChanges = { result: byName(), document: byName(), sync: byName() };
    const before = new Map<string, Twin | undefined>();
    try {
      for (const [name, wanted] of Object.entries(given)) {
        const known = this.#twins.get(name);
        before.set(name, known);
        if (known === undefined && wanted === null) {
          // Go's update stops here without an error; changes made before stay.
          changes.document[name] = { last: null, current: null };
          break;
        }
        // Go's program crashes on what the cloud never sends; it is ignored here.
        if (by === "cloud" && wanted?.metadata === undefined) continue;
        if (known === undefined) this.#add(changes, name, wanted as MsgTwin, by, now);
        else if (wanted === null || (by === "cloud" && wanted.metadata?.type === GONE)) {
          this.#delete(changes, name, known, wanted, by);
        } else this.#change(changes, name, known, wanted, by, now);
      }
    } catch (error) {
      for (const [name, twin] of before) {
        if (twin === undefined) this.#twins.delete(name);
        else this.#twins.set(name, twin);
      }
      throw error;
    }
    return changes;
  }

  #change(changes: TwinChanges, name: string, twin: Twin, wanted: MsgTwin, by: Writer, now: number): void {
    const isDeleted = twin.type === GONE;
    const type = isDeleted ? wanted.metadata?.type ?? "string" : twin.type;
    let next = twin;
    let sync: MsgTwin = {};
    let isRefused = false;
    for (const side of sides) {
      const value = wanted[side]?.value;
      if (value === undefined || isRefused) continue;
      // edgecore does not check the type of a first expected value.
      const isChecked = side === "actual" || twin.expected !== undefined;
      const mismatch = isChecked ? refuseTwinType(type, value) : undefined;
      if (mismatch !== undefined && by === "edge") throw new TwinError(mismatch);
      if (mismatch !== undefined) continue;
      const version = nextTwinVersion(versionOf(twin, side) ?? zero, originOf(by, wanted, side));
      if (version === undefined) {
        isRefused = true;
        if (twin[side] !== undefined) sync = { ...sync, ...sideOf(twin, side), ...kindOf(twin) };
        continue;
      }
      next = withSide(next, side, { value, metadata: { timestamp: now } }, version);
      if (by === "edge") sync = { ...sync, ...sideOf(next, side), ...kindOf(twin) };
    }
    if (!isRefused) {
      if (twin.optional && wanted.optional === false) {
        next = { ...next, optional: false };
        sync = { ...sync, optional: false };
      }
      const isOther = wanted.metadata !== undefined && wanted.metadata.type !== twin.type;
      if (isDeleted && (isOther || wanted.metadata === undefined)) {
        next = { ...next, type };
        sync = { ...sync, metadata: { type } };
      } else if (isOther && next === twin) next = { ...twin };
    }
    if (next !== twin) {
      this.#twins.set(name, next);
      changes.document[name] = { last: isDeleted ? null : plain(twin), current: plain(next) };
      if (by === "edge") changes.result[name] = withoutVersions(sync);
    }
    if (by === "edge" ? next !== twin : Object.keys(sync).length > 0 && isRefused) changes.sync[name] = sync;
  }

  #add(changes: TwinChanges, name: string, wanted: MsgTwin, by: Writer, now: number): void {
    if (this.#twins.size >= limits.twinsOfDevice) {
      if (by === "edge") throw new TwinError(`a device has ${limits.twinsOfDevice} properties at most`);
      return;
    }
    const type = wanted.metadata?.type ?? "string";
    let twin: Twin = { optional: wanted.optional ?? true, type };
    if (by === "cloud" && type === GONE) {
      const { actual_version, expected_version } = wanted;
      twin = {
        ...twin,
        ...(expected_version === undefined ? {} : { expected_version }),
        ...(actual_version === undefined ? {} : { actual_version }),
      };
    }
    for (const side of sides) {
      const value = wanted[side]?.value;
      if (value === undefined) continue;
      const version = nextTwinVersion(zero, originOf(by, wanted, side));
      if (version === undefined) {
        // Refused, yet edgecore publishes an empty update, both here and to the cloud.
        changes.document[name] = { last: null, current: null };
        changes.sync[name] = {};
        return;
      }
      const mismatch = refuseTwinType(type, value);
      if (mismatch !== undefined && by === "edge") throw new TwinError(mismatch);
      if (mismatch !== undefined) return;
      // An empty value is not kept, but its version is.
      twin = withSide(twin, side, value === "" ? undefined : { value, metadata: { timestamp: now } }, version);
    }
    this.#twins.set(name, twin);
    changes.document[name] = { last: null, current: type === GONE ? null : plain(twin) };
    if (by === "edge") {
      changes.result[name] = plain(twin);
      changes.sync[name] = whole(twin);
    }
  }

  #delete(changes: TwinChanges, name: string, twin: Twin, wanted: MsgTwin | null, by: Writer): void {
    if (twin.type === GONE || (by === "edge" && !twin.optional)) return;
    let next: Twin = { ...twin, type: GONE };
    for (const side of sides) {
      const local = versionOf(twin, side);
      if (local === undefined) continue;
      const origin = originOf(by, wanted ?? {}, side);
      const isUnversioned = origin.by === "cloud" && origin.version === undefined;
      const version = isUnversioned ? local : nextTwinVersion(local, origin);
      if (version === undefined) {
        changes.sync[name] = whole(twin);
        return;
      }
      next = withSide(next, side, {}, version);
    }
    if (next.expected_version === undefined && next.actual_version === undefined) return;
    this.#twins.set(name, next);
    changes.document[name] = { last: plain(twin), current: null };
    if (by === "edge") {
      changes.result[name] = null;
      changes.sync[name] = whole(next);
    }
  }

  get(name: string): Twin | undefined {
    return this.#twins.get(name);
  }

  /** All but the deleted, without versions: what a mapper gets. */
  visible(): Record<string, MsgTwin> {
    return Object.fromEntries(this.#present().map(([name, twin]) => [name, plain(twin)]));
  }

  /**
   * Desired values that differ from the reported ones, by property, and the twins with a desired value; undefined if none differs.
   * Mappers of v1.1 are also sent twins without a desired value.
   */
  delta(
    hasAll: boolean,
  ): { readonly twin: Record<string, MsgTwin>; readonly delta: Record<string, string> } | undefined {
    const wanted = this.#present().filter(([, { expected }]) => hasAll || Boolean(expected?.value));
    const differing = wanted.filter(([, { actual, expected }]) =>
      Boolean(expected?.value) && expected?.value !== (actual?.value ?? "")
    );
    if (differing.length === 0) return undefined;
    return {
      twin: Object.fromEntries(wanted.map(([name, twin]) => [name, plain(twin)])),
      delta: Object.fromEntries(differing.map(([name, { expected }]) => [name, expected?.value ?? ""])),
    };
  }

  /** As the constructor takes them. */
  rows(): Record<string, Twin> {
    return Object.fromEntries(this.#twins);
  }

  #present(): [string, Twin][] {
    return [...this.#twins].filter(([, { type }]) => type !== GONE);
  }
}

type Side = typeof sides[number];

/** A property may be called __proto__. */
function byName<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

function originOf(by: Writer, wanted: MsgTwin, side: Side): TwinOrigin {
  return by === "edge" ? { by } : { by, version: versionOf(wanted, side) };
}

function versionOf(twin: Pick<MsgTwin, "actual_version" | "expected_version">, side: Side): TwinVersion | undefined {
  return side === "expected" ? twin.expected_version : twin.actual_version;
}

function withSide(twin: Twin, side: Side, value: TwinValue | undefined, version: TwinVersion): Twin {
  return { ...twin, ...(value === undefined ? {} : { [side]: value }), [`${side}_version`]: version };
}

/** One side with its version. */
function sideOf(twin: Twin, side: Side): MsgTwin {
  return { [side]: twin[side], [`${side}_version`]: versionOf(twin, side) };
}

function kindOf({ optional, type }: Twin): MsgTwin {
  return { optional, metadata: type === "" ? {} : { type } };
}

function plain({ actual, expected, ...twin }: Twin): MsgTwin {
  return {
    ...(expected === undefined ? {} : { expected }),
    ...(actual === undefined ? {} : { actual }),
    ...kindOf(twin),
  };
}

function whole(twin: Twin): MsgTwin {
  const { actual_version, expected_version } = twin;
  return {
    ...plain(twin),
    ...(expected_version === undefined ? {} : { expected_version }),
    ...(actual_version === undefined ? {} : { actual_version }),
  };
}

function withoutVersions({ actual_version: _actual, expected_version: _expected, ...twin }: MsgTwin): MsgTwin {
  return twin;
}
