// A storm: a scenario drawn by a seed, in which everything changes while links, edges, cloudcore and API server fail. The same seed gives the same plan.
import { Random } from "../../base/random/random.ts";

/** How large it is. */
export interface StormSize {
  readonly edges: number;
  /** Seconds for which things fail. */
  readonly seconds: number;
}

type Step = Readonly<Record<string, unknown>>;

const CONFIGMAPS = 10;

/** The scenario as JSON, which is YAML. Nine edges of ten have bad links; the others are restarted, some without their stores. */
export function stormScenario(seed: number, { edges, seconds }: StormSize): string {
  const random = new Random(seed, "storm");
  const steady = Math.floor(edges * 0.9);
  const some = (below: number) => random.integer(0, below - 1);
  const wait = (most: number): Step => ({ wait: `${random.integer(20, most)}ms` });
  const configmap = (i: number, n: string): Step => ({
    apply: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `app-${i}` }, data: { n } },
  });
  const pod = (name: string, edge: number): Step => ({
    apply: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: {
        nodeName: `gw-${edge}`,
        terminationGracePeriodSeconds: 1,
        containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: `app-${edge % CONFIGMAPS}` } }] }],
      },
    },
  });
  const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
  const branch = (steps: readonly Step[]): Step => ({ repeat: { times: 1, steps } });

  const changes = times(seconds * 4, (i) => [wait(200), configmap(some(CONFIGMAPS), `change ${i}`)]).flat();
  const made = times(seconds * 3, (i) => {
    const edge = some(edges);
    const deleted = { delete: { object: { apiVersion: "v1", kind: "Pod", name: `new-${i}` }, grace: some(2) } };
    return [wait(300), pod(`new-${i}`, edge), ...(some(2) === 0 ? [wait(300), deleted] : [])];
  }).flat();
  const devices = times(seconds * 6, (i) => {
    const device = `gw-${some(steady)}-thermometer-0`;
    const value = String(10 + i % 30);
    return [
      wait(150),
      some(2) === 0 ? { report: { device, temperature: value } } : {
        patch: {
          object: { apiVersion: "devices.kubeedge.io/v1beta1", kind: "Device", name: device },
          json: [{ op: "add", path: "/spec/properties/0/desired", value: { value } }],
        },
      },
    ];
  }).flat();
  const faults = times(seconds * 5, () => [wait(200), { fault: faultOf(random, `gw-${some(steady)}`, seconds) }])
    .flat();
  const restarts = times(Math.ceil(seconds / 4), () => {
    const edge = `gw-${steady + some(edges - steady)}`;
    return [wait(2000), { edge: { restart: edge, store: some(3) === 0 ? "forget" : "keep" } }];
  }).flat();
  // One storm of four has three cloudcores on its API: then one of them fails at a time.
  const replicas = some(4) === 0 ? 3 : 1;
  const which = () => replicas === 1 ? {} : { replica: some(replicas) };
  const ends = [
    { restart: { what: "cloudcore", kill: true, down: `${random.integer(100, 1500)}ms`, ...which() } },
    ...(some(2) === 0 ? [{ restart: "apiserver" }] : []),
    { restart: { what: "cloudcore", frozen: `${random.integer(200, 2000)}ms`, ...which() } },
    { restart: { what: "cloudcore", kill: true, down: `${random.integer(100, 500)}ms`, ...which() } },
  ].flatMap((step) => [wait(seconds * 300), step]);
  const refusals = times(Math.ceil(seconds / 3), () => [wait(3000), { apiserver: apiFaultOf(random) }]).flat();
  const fullDisks = times(Math.ceil(seconds / 3), () => {
    const edge = `gw-${some(steady)}`;
    return [wait(2000), { edge: { full: edge } }, wait(1000), { edge: { free: edge } }];
  }).flat();
  const clocks = times(Math.ceil(seconds / 2), () => {
    const by = `${random.integer(1, 7200)}s`;
    return [wait(1500), { clock: { edge: `gw-${some(edges)}`, ...(some(2) === 0 ? { forward: by } : { back: by }) } }];
  }).flat();

  return JSON.stringify({
    skep: 1,
    name: `a storm over ${edges} edges, seed ${seed}`,
    seed,
    timeout: `${seconds * 6 + 240}s`,
    cloudcore: { process: true, ...(replicas === 1 ? {} : { replicas }) },
    fleet: [{ cohort: "gw", count: edges, devices: [{ model: "thermometer" }] }],
    steps: [
      ...times(CONFIGMAPS, (i) => configmap(i, "first")),
      { each: "gw", ...podOfEach() },
      { each: "gw", expect: { at: "edge/$EDGE", match: { pods: { running: 1 } }, within: "60s" } },
      { parallel: [changes, made, devices, faults, restarts, ends, refusals, fullDisks, clocks].map(branch) },
      { apiserver: { heal: true } },
      { fault: { cohort: "gw", heal: true } },
      ...times(CONFIGMAPS, (i) => configmap(i, "last")),
      {
        name: "all are back, and Ready",
        each: "gw",
        expect: { at: "edge/$EDGE", match: { connected: true, ready: true }, within: "120s" },
      },
      {
        name: "the last version is everywhere",
        each: "gw",
        expect: {
          at: "edge/$EDGE",
          object: { apiVersion: "v1", kind: "ConfigMap", name: "app-0" },
          match: { data: { n: "last" } },
          within: "60s",
        },
      },
    ],
  });
}

/** A pod for each edge, with the configmap that all have. */
function podOfEach(): Step {
  return {
    apply: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "old-$EDGE" },
      spec: {
        nodeName: "$EDGE",
        containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: "app-0" } }] }],
      },
    },
  };
}

/** What is wrong with the API server, and for how long. */
function apiFaultOf(random: Random): Step {
  const kinds: readonly Step[] = [
    { answer: 409, share: 0.3 },
    { answer: 410, share: 0.3 },
    { answer: 429, share: 0.3 },
    { answer: 500, share: 0.3 },
    { loseAnswers: true, share: 0.3 },
    { latency: "200ms", share: 0.3 },
    { dropWatches: "50ms" },
  ];
  const kind = kinds[random.integer(0, kinds.length - 1)] as Step;
  return { ...kind, for: `${random.integer(100, 1000)}ms` };
}

/** What is wrong with one link, and for how long. */
function faultOf(random: Random, edge: string, seconds: number): Step {
  const kinds: readonly Step[] = [
    { cut: "both" },
    { cut: "clean" },
    { cut: "reset" },
    { cut: "blackHole" },
    { halfOpen: "up" },
    { halfOpen: "down" },
    { latency: "200ms", jitter: "100ms", distribution: "normal" },
    { bandwidth: 4 },
    { slowReader: 4, direction: "down" },
    { slowWriter: 4, direction: "up" },
    { drop: 0.2 },
    { duplicate: 0.3 },
    { reorder: 0.3, direction: "down" },
    { corrupt: 0.05 },
    { natTimeout: "300ms" },
    { cut: "reset", flap: { bad: "100ms", good: "400ms" } },
  ];
  const kind = kinds[random.integer(0, kinds.length - 1)] as Step;
  return { edge, ...kind, for: `${random.integer(100, seconds * 250)}ms` };
}
