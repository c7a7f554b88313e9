// KubeEdge's rules, rules.kubeedge.io/v1: the fields we read and write.
import type { KubeObject } from "./kube-object.ts";

export interface Rule extends KubeObject {
  status?: {
    readonly successMessages?: number;
    readonly failMessages?: number;
    /** Why the last message that failed did so. */
    readonly errors?: readonly string[];
  };
}

/** How the router fared with one message of a rule: content of `rulestatus/{rule}`, inside the cloud alone. */
export interface RuleResult {
  readonly isSuccess: boolean;
  /** Why it failed. */
  readonly detail?: string;
}
