// Objects as people name them: `configmap/default/app`, `cm/app`, `node/gw-0`.
import { type InspectedKind, inspectedKinds, type ObjectRef } from "../../cloud/inspector.ts";
import { ControlError } from "../../base/control/server.ts";

/** kubectl's short names, and plurals. */
const shortNames: Readonly<Record<string, InspectedKind>> = { po: "pod", cm: "configmap", no: "node" };

/** The object that a text names. Without a namespace it is in `default`. Throws ControlError. */
export function parseObject(text: string): ObjectRef {
  const [word = "", ...rest] = text.split("/");
  const kind = kindNamed(word);
  const [namespace, name] = rest.length === 1 ? ["default", rest[0]] : rest;
  if (kind === undefined || name === undefined || name === "" || rest.length > 2) {
    throw new ControlError(
      400,
      `"${text}": KIND/NAMESPACE/NAME is needed, such as configmap/default/app; kinds are ${inspectedKinds.join(", ")}`,
    );
  }
  return { kind, namespace: kind === "node" ? "" : namespace as string, name };
}

/** The kind that a word means, whatever its case and number. */
export function kindNamed(word: string): InspectedKind | undefined {
  const small = word.toLowerCase();
  return shortNames[small] ?? inspectedKinds.find((kind) => small === kind || small === `${kind}s`);
}

/** `configmap default/app`, for sentences. */
export function describeObject({ kind, name, namespace }: ObjectRef): string {
  return `${kind} ${namespace === "" ? name : `${namespace}/${name}`}`;
}
