// Questions about access that a client asks by creating an object which is answered and not stored.
import { at, isPlainObject, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import type { Kind, User } from "../kinds/kind.ts";
import { ApiError, badRequest, type Cause, notFound } from "../status.ts";
import { admin } from "./authenticator.ts";
import type { Attributes, Authorizer } from "./authorizer.ts";
import type { Find, ServiceAccountTokens } from "./tokens.ts";

/** What reviews are answered from. */
export interface ReviewDeps {
  readonly authorizer: Authorizer;
  readonly tokens: ServiceAccountTokens;
  /** The administrator's token. */
  readonly token: string;
  readonly find: Find;
  readonly now: () => number;
}

type Answerer = (object: KubeObject, user: User, namespace: string, deps: ReviewDeps) => unknown;

const answerers: Readonly<Record<string, Answerer>> = {
  SelfSubjectReview: (object, { extra, groups, name, uid }, _namespace, { now }) => ({
    ...object,
    metadata: { creationTimestamp: secondsOf(now()) },
    status: {
      userInfo: {
        username: name,
        ...(uid === undefined ? {} : { uid }),
        groups,
        ...(extra === undefined ? {} : { extra }),
      },
    },
  }),
  TokenReview: reviewToken,
  SelfSubjectAccessReview: (object, user, _namespace, deps) => decided(object, user, deps),
  SubjectAccessReview: (object, _user, _namespace, deps) => decided(object, subject(object), deps),
  LocalSubjectAccessReview(object, _user, namespace, deps) {
    if (textAt(object, "spec", "resourceAttributes", "namespace") !== namespace) {
      throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
    }
    return decided(object, subject(object), deps);
  },
  SelfSubjectRulesReview(object, user, _namespace, { authorizer }) {
    const namespace = textAt(object, "spec", "namespace");
    if (namespace === "") throw badRequest("no namespace on request");
    const rules = authorizer.rulesOf(user, namespace);
    return {
      ...object,
      status: {
        resourceRules: rules.filter((rule) => (rule.resources ?? []).length > 0),
        nonResourceRules: rules.filter((rule) => (rule.nonResourceURLs ?? []).length > 0),
        incomplete: false,
      },
    };
  },
};

/** Whether objects of a kind are questions, not things. */
export function isReview(kind: Kind): boolean {
  return (kind.group === "authentication.k8s.io" || kind.group === "authorization.k8s.io") &&
    Object.hasOwn(answerers, kind.kind);
}

/** The answer to a decoded question. Throws 400 and 422. */
export function answerReview(object: KubeObject, user: User, namespace: string, deps: ReviewDeps): unknown {
  const answerer = answerers[object.kind ?? ""];
  if (answerer === undefined) throw notFound({ group: "", plural: "reviews" }, object.kind ?? "");
  return answerer(object, user, namespace, deps);
}

/** An error about a review: kube-apiserver names no kind in it. */
function invalidReview(causes: readonly Cause[]): ApiError {
  const texts = causes.map(({ field, message }) => `${field}: ${message}`);
  const all = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  return new ApiError(422, "Invalid", `.authorization.k8s.io "" is invalid: ${all}`, {
    group: "authorization.k8s.io",
    causes,
  });
}

const refused = (field: string, printed: string, detail: string): Cause => ({
  reason: "FieldValueInvalid",
  message: `Invalid value: ${printed}: ${detail}`,
  field,
});

function attributesOf(object: KubeObject, found: Cause[]): Attributes | undefined {
  const resource = at(object, "spec", "resourceAttributes");
  const path = at(object, "spec", "nonResourceAttributes");
  if (isPlainObject(resource) && isPlainObject(path)) {
    const printed = `authorization.NonResourceAttributes{Path:${JSON.stringify(textAt(path, "path"))}, Verb:${
      JSON.stringify(textAt(path, "verb"))
    }}`;
    found.push(
      refused("spec.nonResourceAttributes", printed, "cannot be specified in combination with resourceAttributes"),
    );
    return undefined;
  }
  if (isPlainObject(path)) return { verb: textAt(path, "verb"), path: textAt(path, "path") };
  if (!isPlainObject(resource)) {
    found.push(
      refused(
        "spec.resourceAttributes",
        '"null"',
        "exactly one of nonResourceAttributes or resourceAttributes must be specified",
      ),
    );
    return undefined;
  }
  return {
    verb: textAt(resource, "verb"),
    group: textAt(resource, "group"),
    resource: textAt(resource, "resource"),
    subresource: textAt(resource, "subresource"),
    namespace: textAt(resource, "namespace"),
    name: textAt(resource, "name"),
  };
}

/** The user a review asks about. */
function subject(object: KubeObject): User | undefined {
  const name = textAt(object, "spec", "user");
  const groups = listAt(object, "spec", "groups") as string[];
  return name === "" && groups.length === 0 ? undefined : { name, groups };
}

function decided(object: KubeObject, user: User | undefined, { authorizer }: ReviewDeps): unknown {
  const causes: Cause[] = [];
  const attributes = attributesOf(object, causes);
  if (user === undefined) causes.push(refused("spec.user", '""', "at least one of user or group must be specified"));
  if (causes.length > 0 || attributes === undefined || user === undefined) throw invalidReview(causes);
  const reason = authorizer.allows(user, attributes);
  return {
    ...object,
    status: { allowed: reason !== undefined, ...(reason === undefined || reason === "" ? {} : { reason }) },
  };
}

async function reviewToken(object: KubeObject, _user: User, _namespace: string, deps: ReviewDeps): Promise<unknown> {
  const token = textAt(object, "spec", "token");
  if (token === "") throw badRequest("token is required for TokenReview in authentication");
  const asked = listAt(object, "spec", "audiences") as string[];
  const audiences = asked.length === 0 ? [deps.tokens.audience] : asked;
  if (token === deps.token) {
    const { groups, name, uid } = admin;
    return { ...object, status: { authenticated: true, user: { username: name, uid, groups }, audiences } };
  }
  const verified = await deps.tokens.verify(token, deps.find, audiences);
  if ("error" in verified) return { ...object, status: { user: {}, error: verified.error } };
  const { extra, groups, name, uid } = verified.user;
  return {
    ...object,
    status: { authenticated: true, user: { username: name, uid, groups, extra }, audiences: verified.audiences },
  };
}
