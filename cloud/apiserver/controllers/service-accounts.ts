// Gives each namespace its `default` service account, without which a real server admits no pod.
import { reconciling } from "./controller.ts";

export const serviceAccounts = reconciling({
  name: "service accounts",
  tables: ["namespaces"],
  reconcile({ resources }) {
    const kind = resources.registry.find("", "v1", "serviceaccounts");
    if (kind === undefined) return;
    for (const namespace of resources.store.list("namespaces")) {
      const { name, deletionTimestamp } = namespace.metadata;
      if (deletionTimestamp !== undefined || resources.store.get("serviceaccounts", `${name}/default`) !== undefined) {
        continue;
      }
      resources.create(kind, name, { metadata: { name: "default" } }, false);
    }
  },
});
