// The arrows of the house: which room may import which.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const rooms = ["base", "protocol", "cloud", "edge-sim", "proxy", "scenarios", "cli"] as const;

/** What each room may import beside itself. */
const allowed: Readonly<Record<typeof rooms[number], readonly string[]>> = {
  base: [],
  protocol: ["base"],
  cloud: ["base", "protocol"],
  "edge-sim": ["base", "protocol"],
  proxy: ["base", "protocol"],
  scenarios: ["base", "protocol", "cloud", "edge-sim", "proxy"],
  cli: ["base", "protocol", "cloud", "edge-sim", "proxy", "scenarios"],
};

/** Folders inside a room, and what each may import of the others there; what is not named may import none. */
const layers: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  scenarios: {
    files: [],
    cohorts: ["files"],
    model: ["files", "cohorts"],
    report: ["files", "model"],
    targets: ["files", "cohorts", "model"],
    checks: ["files", "model", "report"],
    steps: ["files", "model", "report", "checks"],
    engine: ["files", "cohorts", "model"],
    suite: ["files", "cohorts", "model", "targets", "steps", "engine", "load"],
    library: ["model"],
    recording: ["model"],
    tap: ["files", "model", "report", "steps", "recording"],
    console: [],
    matrix: ["files", "model", "recording"],
    translate: ["files", "model", "engine"],
    load: ["files", "cohorts", "model", "targets", "report"],
  },
  cloud: {
    beehive: [],
    config: [],
    kube: [],
    monitor: [],
    nodes: ["kube"],
    apiserver: [],
    cloudhub: ["beehive", "config", "kube", "monitor", "nodes"],
    edgecontroller: ["beehive", "config", "kube", "nodes"],
    devicecontroller: ["beehive", "config", "kube", "nodes"],
    synccontroller: ["beehive", "config", "kube", "nodes"],
    "definitions.ts": ["kube"],
    "inspector.ts": ["kube", "nodes", "cloudhub"],
    "start.ts": ["config", "kube", "cloudcore.ts"],
    "cloudcore.ts": [
      "beehive",
      "config",
      "kube",
      "monitor",
      "nodes",
      "cloudhub",
      "edgecontroller",
      "devicecontroller",
      "synccontroller",
      "definitions.ts",
      "inspector.ts",
    ],
  },
  "edge-sim": {
    era: [],
    timings: [],
    edgehub: ["timings"],
    doctor: ["edgehub"],
    metamanager: ["era", "edgehub"],
    devicetwin: ["era", "timings", "edgehub", "metamanager"],
    grpc: [],
    cri: ["grpc"],
    dmi: ["timings", "metamanager", "grpc"],
    eventbus: ["era", "edgehub", "metamanager"],
    servicebus: ["era", "edgehub", "metamanager"],
    device: ["era", "timings", "edgehub", "metamanager", "devicetwin", "dmi", "eventbus", "servicebus"],
    edged: ["era", "timings", "edgehub", "metamanager"],
    "edge.ts": ["era", "timings", "edgehub", "metamanager", "devicetwin", "eventbus", "servicebus", "device", "edged"],
    "edge-view.ts": ["device", "edge.ts"],
    fleet: ["era", "timings", "edgehub", "metamanager", "device", "edged", "edge.ts"],
    load: ["edge.ts", "fleet"],
  },
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

function importsOf(room: string): Import[] {
  const files = readdirSync(join(root, room), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts")
  );
  return files.flatMap((name) => {
    const from = join(root, room, name);
    const text = readFileSync(from, "utf8");
    const statements = text.matchAll(
      /(?:^|\n)(import|export)\s+(type\s)?[^;]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/g,
    );
    return [...statements].map((match) => ({
      from: relative(root, from),
      to: relative(root, resolve(dirname(from), (match[3] ?? match[4]) as string)),
      isType: match[2] !== undefined || /^import\s*\{\s*(type\s+\w+\s*,?\s*)+\}/.test(match[0].trim()),
    }));
  });
}

/** Files that lead back to themselves, each circle once (depth-first search with a path). */
function circlesIn(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at !== -1) circles.push([...path.slice(at), file]);
    if (at !== -1 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return circles;
}

describe("imports", () => {
  test.each(rooms)("%s imports only the rooms it may", (room) => {
    const wrong = importsOf(room).filter(({ to }) => {
      const other = to.split("/")[0] as string;
      return other !== room && !allowed[room].includes(other);
    });
    expect(wrong).toEqual([]);
  });

  test("protocol takes only types from base, and the class of errors", () => {
    const wrong = importsOf("protocol").filter(({ to, isType }) =>
      to.startsWith("base/") && to !== "base/error/skep-error.ts" && !isType
    );
    expect(wrong).toEqual([]);
  });

  test("modules of the cloud talk over beehive, not by import", () => {
    const modules = ["cloudhub", "edgecontroller", "devicecontroller", "synccontroller"];
    const wrong = importsOf("cloud").filter(({ from, to }) => {
      const own = modules.find((m) => from.startsWith(`cloud/${m}/`));
      const other = modules.find((m) => to.startsWith(`cloud/${m}/`));
      return own !== undefined && other !== undefined && own !== other;
    });
    expect(wrong).toEqual([]);
  });

  test("the embedded API imports nothing of KubeEdge, and no module of the cloud imports it", () => {
    const outward = importsOf("cloud").filter(({ from, to }) =>
      from.startsWith("cloud/apiserver/") && to.startsWith("cloud/") && !to.startsWith("cloud/apiserver/")
    );
    const inward = importsOf("cloud").filter(({ from, to }) =>
      !from.startsWith("cloud/apiserver/") && to.startsWith("cloud/apiserver/")
    );
    expect([...outward, ...inward]).toEqual([]);
  });

  test.each(Object.keys(layers))("the folders inside %s import only those below them", (room) => {
    const folderOf = (file: string) => file.split("/")[1] as string;
    const wrong = importsOf(room).filter(({ from, to }) => {
      const [own, other] = [folderOf(from), folderOf(to)];
      return to.startsWith(`${room}/`) && own !== other && !layers[room]?.[own]?.includes(other);
    });
    expect(wrong).toEqual([]);
  });

  test("no files import each other in a circle, types included", () => {
    const imports = new Map<string, string[]>();
    for (const { from, to } of rooms.flatMap(importsOf)) imports.set(from, [...imports.get(from) ?? [], to]);
    expect(circlesIn(imports)).toEqual([]);
  });

  test("every source file opens with a sentence on what it is for", () => {
    const files = rooms.flatMap((room) =>
      readdirSync(join(root, room), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts")).map((
        name,
      ) => join(room, name))
    );
    const without = files.filter((file) => !/^(\/\/ \S|#!)/.test(readFileSync(join(root, file), "utf8")));
    expect(without).toEqual([]);
  });
});
