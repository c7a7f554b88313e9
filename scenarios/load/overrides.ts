// A profile made larger, smaller, longer or shorter than it is written.
import { durationOf, edgesOf, type LoadProfile } from "./profile.ts";

/** What is asked for on the command line; undefined leaves it as written. */
export interface Overrides {
  readonly edges?: number;
  /** Milliseconds of all phases together. */
  readonly duration?: number;
  /** The highest rate, operations a second, or the most users. */
  readonly rate?: number;
  /** Edges, rates and users are multiplied by it. */
  readonly scale?: number;
  readonly seed?: number;
}

/** The profile with its cohorts, phases and mix in proportion. */
export function overridden(profile: LoadProfile, { duration, edges, rate, scale = 1, seed }: Overrides): LoadProfile {
  const before = edgesOf(profile);
  const wanted = edges ?? Math.max(1, Math.round(before * scale));
  const ofEdges = wanted / before;
  const highest = Math.max(0, ...profile.phases.map(({ from, to }) => Math.max(from, to)));
  const ofRate = rate === undefined ? scale : highest === 0 ? 1 : rate / highest;
  const ofTime = duration === undefined ? 1 : duration / durationOf(profile);
  const counts = inProportion(profile.fleet.map(({ count = 1 }) => count), wanted);
  return {
    ...profile,
    ...(seed === undefined ? {} : { seed }),
    ...(profile.joinRate === undefined ? {} : { joinRate: Math.max(1, profile.joinRate * ofEdges) }),
    fleet: profile.fleet.map((cohort, i) => ({ ...cohort, count: counts[i] as number })),
    phases: profile.phases.map((phase) => {
      const load = (value: number) =>
        phase.model === "closed" && value > 0 ? Math.max(1, Math.round(value * ofRate)) : value * ofRate;
      return { ...phase, for: Math.max(1, Math.round(phase.for * ofTime)), from: load(phase.from), to: load(phase.to) };
    }),
    mix: profile.mix.map((mix) => ({
      ...mix,
      edges: mix.edges === Infinity ? Infinity : Math.max(1, Math.round(mix.edges * ofEdges)),
    })),
  };
}

/** Counts whose sum is `wanted`, in proportion to those given; each at least one. */
function inProportion(counts: readonly number[], wanted: number): number[] {
  const sum = counts.reduce((total, count) => total + count, 0);
  const scaled = counts.map((count) => Math.max(1, Math.floor(count * wanted / sum)));
  let left = wanted - scaled.reduce((total, count) => total + count, 0);
  for (let i = 0; left > 0; i = (i + 1) % scaled.length, left--) scaled[i] = (scaled[i] as number) + 1;
  return scaled;
}
