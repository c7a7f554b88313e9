// OpenAPI documents as protobuf, as kubectl and client-go ask for them.
// Source: https://github.com/google/gnostic-models (`openapiv2/OpenAPIv2.proto`, `openapiv3/OpenAPIv3.proto`).
import { Writer } from "protobufjs/minimal.js";
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import type { Node } from "./documents.ts";

type Write = (writer: Writer) => void;

const text = (writer: Writer, n: number, value: unknown) => {
  if (typeof value === "string" && value !== "") writer.uint32(n << 3 | 2).string(value);
};
const flag = (writer: Writer, n: number, value: unknown) => {
  if (value === true) writer.uint32(n << 3).bool(true);
};
const message = (writer: Writer, n: number, write: Write) => {
  writer.uint32(n << 3 | 2).fork();
  write(writer);
  writer.ldelim();
};
/** A named value: `{1: name, 2: value}`. */
const named = (writer: Writer, n: number, name: string, write: Write) =>
  message(writer, n, (inner) => {
    text(inner, 1, name);
    message(inner, 2, write);
  });
/** Any value, as YAML, which JSON is. */
const any = (writer: Writer, value: unknown) => text(writer, 2, JSON.stringify(value));
const number = (writer: Writer, n: number, value: unknown) => {
  if (typeof value === "number") writer.uint32(n << 3 | 1).double(value);
};
const whole = (writer: Writer, n: number, value: unknown) => {
  if (typeof value === "number") writer.uint32(n << 3).int64(value);
};
const extensions = (writer: Writer, n: number, node: Node) => {
  for (const [key, value] of Object.entries(node)) {
    if (key.startsWith("x-")) named(writer, n, key, (inner) => any(inner, value));
  }
};

/** The numbers of a schema's fields in the two versions. */
const numbers = {
  2: {
    ref: 1,
    format: 2,
    title: 3,
    description: 4,
    default: 5,
    multipleOf: 6,
    maximum: 7,
    exclusiveMaximum: 8,
    minimum: 9,
    exclusiveMinimum: 10,
    maxLength: 11,
    minLength: 12,
    pattern: 13,
    maxItems: 14,
    minItems: 15,
    uniqueItems: 16,
    maxProperties: 17,
    minProperties: 18,
    required: 19,
    enum: 20,
    additional: 21,
    type: 22,
    items: 23,
    allOf: 24,
    properties: 25,
    extension: 31,
  },
  3: {
    ref: 0,
    format: 35,
    title: 9,
    description: 34,
    default: 33,
    multipleOf: 10,
    maximum: 11,
    exclusiveMaximum: 12,
    minimum: 13,
    exclusiveMinimum: 14,
    maxLength: 15,
    minLength: 16,
    pattern: 17,
    maxItems: 18,
    minItems: 19,
    uniqueItems: 20,
    maxProperties: 21,
    minProperties: 22,
    required: 23,
    enum: 24,
    additional: 32,
    type: 25,
    items: 30,
    allOf: 26,
    properties: 31,
    extension: 36,
  },
} as const;

type Version = 2 | 3;

/** A schema; in version 3 it or a reference to one. */
function schemaOrRef(writer: Writer, version: Version, node: Node): void {
  if (version === 2) writeSchema(writer, 2, node);
  else if (typeof node.$ref === "string") message(writer, 2, (inner) => text(inner, 1, node.$ref));
  else message(writer, 1, (inner) => writeSchema(inner, 3, node));
}

function writeSchema(writer: Writer, version: Version, node: Node): void {
  const n = numbers[version];
  if (version === 2) text(writer, n.ref, node.$ref);
  for (const key of ["format", "title", "description", "pattern"] as const) text(writer, n[key], node[key]);
  for (const key of ["multipleOf", "maximum", "minimum"] as const) number(writer, n[key], node[key]);
  for (const key of ["exclusiveMaximum", "exclusiveMinimum", "uniqueItems"] as const) flag(writer, n[key], node[key]);
  for (const key of ["maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"] as const) {
    whole(writer, n[key], node[key]);
  }
  for (const name of Array.isArray(node.required) ? node.required : []) text(writer, n.required, name);
  for (const value of Array.isArray(node.enum) ? node.enum : []) message(writer, n.enum, (inner) => any(inner, value));
  if (typeof node.type === "string") {
    if (version === 2) message(writer, n.type, (inner) => text(inner, 1, node.type));
    else text(writer, n.type, node.type);
  }
  const additional = node.additionalProperties;
  if (isPlainObject(additional)) {
    message(
      writer,
      n.additional,
      (inner) => message(inner, 1, (schema) => schemaOrRef(schema, version, additional as Node)),
    );
  } else if (typeof additional === "boolean") {
    message(writer, n.additional, (inner) => inner.uint32(2 << 3).bool(additional));
  }
  if (isPlainObject(node.items)) {
    const { items } = node;
    message(writer, n.items, (inner) => message(inner, 1, (schema) => schemaOrRef(schema, version, items as Node)));
  }
  for (const part of Array.isArray(node.allOf) ? node.allOf as Node[] : []) {
    message(writer, n.allOf, (inner) => schemaOrRef(inner, version, part));
  }
  if (isPlainObject(node.properties)) {
    const { properties } = node;
    message(writer, n.properties, (inner) => {
      for (const [name, schema] of Object.entries(properties)) {
        named(inner, 1, name, (value) => schemaOrRef(value, version, schema as Node));
      }
    });
  }
  extensions(writer, n.extension, node);
}

const methods = {
  2: { get: 2, put: 3, post: 4, delete: 5, patch: 8, parameters: 9 },
  3: { get: 4, put: 5, post: 6, delete: 7, patch: 10, parameters: 13 },
} as const;

function writeParameter(writer: Writer, n: number, version: Version, node: Node): void {
  message(writer, n, (item) =>
    message(item, 1, (parameter) => {
      if (version === 3) {
        text(parameter, 1, node.name);
        text(parameter, 2, node.in);
        flag(parameter, 4, node.required);
        message(parameter, 10, (schema) => schemaOrRef(schema, 3, node.schema as Node));
        return;
      }
      const isPath = node.in === "path";
      message(parameter, 2, (kind) =>
        message(kind, isPath ? 4 : 3, (own) => {
          flag(own, 1, node.required);
          text(own, 2, node.in);
          text(own, 4, node.name);
          text(own, isPath ? 5 : 6, node.type);
          flag(own, isPath ? 19 : 20, node.uniqueItems);
        }));
    }));
}

function writePaths(writer: Writer, n: number, version: Version, paths: Node): void {
  message(writer, n, (all) => {
    for (const [place, item] of Object.entries(paths) as [string, Node][]) {
      named(all, version === 2 ? 2 : 1, place, (path) => {
        const own = methods[version];
        for (const method of ["get", "put", "post", "delete", "patch"] as const) {
          const operation = item[method] as Node | undefined;
          if (operation === undefined) continue;
          message(path, own[method], (inner) => {
            text(inner, 5, operation.operationId);
            for (const parameter of operation.parameters as Node[]) {
              writeParameter(inner, version === 2 ? 8 : 6, version, parameter);
            }
            extensions(inner, 13, operation);
          });
        }
        for (const parameter of (item.parameters ?? []) as Node[]) {
          writeParameter(path, own.parameters, version, parameter);
        }
      });
    }
  });
}

/** A document of version 2. */
export function encodeV2(document: Node): Uint8Array {
  const writer = Writer.create();
  const { definitions, info, paths, swagger } = document as {
    swagger: string;
    info: Node;
    paths: Node;
    definitions: Node;
  };
  text(writer, 1, swagger);
  message(writer, 2, (inner) => {
    text(inner, 1, info.title);
    text(inner, 2, info.version);
  });
  writePaths(writer, 8, 2, paths);
  message(writer, 9, (inner) => {
    for (const [name, schema] of Object.entries(definitions)) {
      named(inner, 1, name, (value) => writeSchema(value, 2, schema as Node));
    }
  });
  return writer.finish();
}

/** A document of version 3. */
export function encodeV3(document: Node): Uint8Array {
  const writer = Writer.create();
  const { components, info, openapi, paths } = document as {
    openapi: string;
    info: Node;
    paths: Node;
    components: { schemas: Node };
  };
  text(writer, 1, openapi);
  message(writer, 2, (inner) => {
    text(inner, 1, info.title);
    text(inner, 6, info.version);
  });
  writePaths(writer, 4, 3, paths);
  message(writer, 5, (inner) =>
    message(inner, 1, (schemas) => {
      for (const [name, schema] of Object.entries(components.schemas)) {
        named(schemas, 1, name, (value) => schemaOrRef(value, 3, schema as Node));
      }
    }));
  return writer.finish();
}
