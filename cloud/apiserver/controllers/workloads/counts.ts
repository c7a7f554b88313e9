// Numbers of pods that a rollout may have more or fewer than asked for: whole ones or percentages.

/** A number or a percentage of the whole; percentages are rounded up or down. Undefined or nonsense: 0. */
export function share(value: unknown, whole: number, rounding: "up" | "down"): number {
  if (typeof value === "number") return value;
  const percent = /^(\d+)%$/.exec(String(value))?.[1];
  if (percent === undefined) return 0;
  const exact = Number(percent) * whole / 100;
  return rounding === "up" ? Math.ceil(exact) : Math.floor(exact);
}
