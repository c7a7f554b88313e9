// Label selectors as objects have them (`metav1.LabelSelector`): which labels they select, and what can be wrong with them.
import { at, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Cause, denied, required, wrong } from "../status.ts";

type Labels = Readonly<Record<string, string>>;

/** Whether a selector selects these labels; an empty one selects all, none at all nothing. */
export function selectorMatches(selector: unknown, labels: Labels): boolean {
  if (selector === undefined || selector === null) return false;
  const wanted = Object.entries((at(selector, "matchLabels") ?? {}) as Labels);
  if (!wanted.every(([key, value]) => labels[key] === value)) return false;
  return listAt(selector, "matchExpressions").every((expression) => {
    const found = labels[textAt(expression, "key")];
    const values = listAt(expression, "values");
    switch (textAt(expression, "operator")) {
      case "In":
        return found !== undefined && values.includes(found);
      case "NotIn":
        return found === undefined || !values.includes(found);
      case "Exists":
        return found !== undefined;
      default:
        return found === undefined;
    }
  });
}

export function selectorErrors(selector: unknown, field: string): Cause[] {
  return listAt(selector, "matchExpressions").flatMap((expression, i) => {
    const path = `${field}.matchExpressions[${i}]`;
    const hasValues = listAt(expression, "values").length > 0;
    const operator = textAt(expression, "operator");
    switch (operator) {
      case "In":
      case "NotIn":
        return hasValues ? [] : [required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")];
      case "Exists":
      case "DoesNotExist":
        return hasValues
          ? [denied(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")]
          : [];
      default:
        return [wrong(`${path}.operator`, operator, "not a valid selector operator")];
    }
  });
}
