import { describe, expect, test } from "vitest";
import { type PlaceArgs, placeOf } from "../../../../scenarios/checks/place.ts";
import type { StepContext } from "../../../../scenarios/model/context.ts";

describe("a check", () => {
  const object = { apiVersion: "v1", kind: "Pod", name: "p" };
  test.each<[string, PlaceArgs, RegExp]>([
    ["of what is absent and matches", { at: "kube", object, absent: true, match: {} }, /nothing to `match`/],
    ["of messages by object", { at: "messages", object }, /`object` means nothing with `at: messages`/],
    ["of an object by count", { at: "kube", object, count: 1 }, /`count` means nothing with `at: kube`/],
    ["of the API without an object", { at: "kube" }, /`at: kube` needs an `object`/],
    ["of the API by topic", { at: "kube", object, topic: "a" }, /`topic` means nothing with `at: kube`/],
    ["of no place", { at: "moon" }, /there is no place "moon"; places are/],
  ])("%s is refused: it would hold too easily", (_, args, message) => {
    expect(() => placeOf({ environment: {} } as StepContext, args)).toThrow(message);
  });
});
