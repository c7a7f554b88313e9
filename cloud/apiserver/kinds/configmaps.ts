// ConfigMaps.
import type { KindRules } from "./kind.ts";
import { ageColumn, countColumn, nameColumn } from "./columns.ts";
import { dataErrors } from "./data-keys.ts";

export const configmaps: KindRules = {
  shortNames: ["cm"],
  columns: [nameColumn, countColumn("Data", "data", "binaryData"), ageColumn],
  strategy: { validate: (object, old) => dataErrors(object, old, ["data", "binaryData"]) },
};
