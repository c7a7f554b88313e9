// How rules fare: the router's results, counted in the Rule.
import type { Rule, RuleResult } from "../../../protocol/apis/rule.ts";
import { hasCode } from "../../kube/client.ts";
import { resources } from "../../kube/resource.ts";
import type { Handler } from "./request.ts";

/** Attempts in case of conflicting writes of the same Rule. */
const TRIES = 5;

/** `update rulestatus/{rule}` of the router. It is counted in the status; Go's patch leaves that as it was. Never answered. */
export const ruleStatus: Handler = async ({ caches: { client } }, { message, path: { name, namespace } }) => {
  const { detail, isSuccess } = message.content as RuleResult;
  const ref = { resource: resources.rules, namespace, name };
  for (let tried = 1;; tried++) {
    const rule = await client.find(ref) as Rule | undefined;
    if (rule === undefined) return [];
    const { failMessages = 0, successMessages = 0 } = rule.status ?? {};
    const status = isSuccess
      ? { successMessages: successMessages + 1, failMessages }
      : { successMessages, failMessages: failMessages + 1, errors: [detail ?? ""] };
    try {
      const { resourceVersion } = rule.metadata;
      await client.patch(ref, "merge", { metadata: { resourceVersion }, status });
      return [];
    } catch (error) {
      if (!hasCode(error, 409) || tried === TRIES) throw error;
    }
  }
};
