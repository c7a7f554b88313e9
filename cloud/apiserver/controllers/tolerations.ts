// Which taints a pod tolerates, and for how long (Kubernetes v1.32 `component-helpers/scheduling/corev1`).

/** As in a pod's spec. */
export interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
  /** Only for NoExecute. Default: without end. An int64, so a long one is read as a BigInt. */
  readonly tolerationSeconds?: number | bigint;
}

/** As in a Node's spec. */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

export function isTolerating(toleration: Toleration, { effect, key, value = "" }: Taint): boolean {
  // An empty text is as good as none, as in Go.
  if (toleration.effect && toleration.effect !== effect) return false;
  if (toleration.operator === "Exists") return !toleration.key || toleration.key === key;
  return toleration.key === key && (toleration.value ?? "") === value;
}

export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some((toleration) => isTolerating(toleration, taint));
}

/**
 * Seconds that a pod may stay on a node with these taints: 0 where one is not tolerated, Infinity where all are tolerated without end. Of
 * several tolerations of one taint the first counts.
 */
export function toleratedSeconds(tolerations: readonly Toleration[], taints: readonly Taint[]): number {
  let least = Infinity;
  for (const taint of taints) {
    if (taint.effect !== "NoExecute") continue;
    const found = tolerations.find((toleration) => isTolerating(toleration, taint));
    if (found === undefined) return 0;
    const seconds = Number(found.tolerationSeconds ?? Infinity);
    least = Math.min(least, Number.isNaN(seconds) ? 0 : Math.max(0, seconds));
  }
  return least;
}
