// Sync records that the API refuses for good: what is said of them.
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import { at, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { hasCode, KubeApiError } from "../../kube/client.ts";

export class MissingRecords {
  readonly #logger: Logger;
  /** Statuses with which records have been refused. */
  readonly #refused = new Set<number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Logs why there is no record. In a namespace that is being deleted that is normal; an operator can fix any other reason. */
  log(node: string, record: string, error: unknown): void {
    const facts = { node, record, error: reasonOf(error) };
    if (isNamespaceEnding(error)) {
      this.#logger.debug("an object is delivered without a sync record: its namespace is being deleted", facts);
      return;
    }
    const code = error instanceof KubeApiError ? error.status.code : 0;
    if (this.#refused.has(code)) return;
    this.#refused.add(code);
    this.#logger.warn(
      "the API refuses sync records: objects are delivered without, and all of them again at each connection; look at this cloudcore's permissions and the CRDs of reliablesyncs.kubeedge.io. Said once",
      facts,
    );
  }
}

/** Whether a retry is useless: the API answered invalid, forbidden or not found. */
export function isPermanent(error: unknown): boolean {
  return [400, 403, 404, 422].some((code) => hasCode(error, code));
}

/** A namespace that is being deleted refuses new objects (403 with that cause), one that has been deleted is not found. */
function isNamespaceEnding(error: unknown): boolean {
  if (!(error instanceof KubeApiError)) return false;
  const { code, details } = error.status;
  if (code === 404) return textAt(details, "kind") === "namespaces";
  return listAt(details, "causes").some((cause) => at(cause, "reason") === "NamespaceTerminating");
}
