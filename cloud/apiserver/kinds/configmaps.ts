// ConfigMaps.
import { ageColumn, countColumn, nameColumn } from "./columns.ts";
import { dataErrors } from "./data-keys.ts";
import { builtin } from "./define.ts";

export const configmaps = builtin({
  kind: "ConfigMap",
  plural: "configmaps",
  shortNames: ["cm"],
  columns: [nameColumn, countColumn("Data", "data", "binaryData"), ageColumn],
  strategy: { validate: (object, old) => dataErrors(object, old, ["data", "binaryData"]) },
});
