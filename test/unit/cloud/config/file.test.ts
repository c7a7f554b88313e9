// cloudcore.yaml: what it sets, what it may leave out, and what a wrong one is told.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { defaultConfigText, minConfigText, parseCloudCoreFile } from "../../../../cloud/config/file.ts";
import {
  cloudcoreKeys,
  type ConfigSection,
  isKey,
  skepKeys,
  upstreamLimitsFor,
} from "../../../../protocol/apis/cloudcore-config.ts";

const read = (text: string) => parseCloudCoreFile(text, "cloudcore.yaml");
const hub = (text: string) => read(`modules:\n  cloudHub:\n    ${text}\n`);

describe("a cloudcore.yaml", () => {
  test("may be empty: KubeEdge's defaults hold, but that what edges ask is checked", () => {
    const { config, servers, kubeconfig, warnings } = read("");
    expect(config).toMatchObject({
      nodeLimit: 500,
      keepaliveInterval: 30_000,
      edgeCertLifetime: 365 * 86_400_000,
      tokenLifetime: 86_400_000,
      identity: "certificate",
      ackWindow: 32,
      authorization: "on",
      impersonates: false,
    });
    expect(servers).toEqual({
      websocket: { host: "0.0.0.0", port: 10000 },
      https: { host: "0.0.0.0", port: 10002 },
      unixsocket: "/var/lib/kubeedge/kubeedge.sock",
      monitor: { host: "127.0.0.1", port: 9091 },
    });
    expect(kubeconfig).toEqual({ file: "", master: "" });
    expect(warnings).toEqual([]);
  });

  test("sets what it names; names are taken in any letter case, as Go takes them", () => {
    const { config, servers, kubeconfig } = read(`
apiVersion: cloudcore.config.kubeedge.io/v1alpha1
kind: CloudCore
kubeapiconfig: { KubeConfig: /root/.kube/config, master: "https://192.0.2.1:6443" }
commonConfig: { monitorServer: { bindAddress: "[::1]:9999" } }
modules:
  cloudhub:
    NodeLimit: 7
    keepaliveInterval: 60
    advertiseAddress: [192.0.2.10]
    dnsNames: [hub.example]
    edgeCertSigningDuration: 2
    tokenRefreshDuration: 1
    websocket: { enable: false }
    quic: { enable: true, port: 20001, address: 127.0.0.1, maxIncomingStreams: 5 }
    https: { port: 20002 }
    unixsocket: { enable: false }
    authorization: { enable: true, debug: false }
    tlsCAFile: /ca.crt
  deviceController: { enable: false }
skep:
  identity: header
  ackWindow: 1
  strictGo: [device-source]
  eras: [{ nodeSelector: { era: old }, era: v1.1 }]
`);
    expect(config).toMatchObject({
      nodeLimit: 7,
      keepaliveInterval: 60_000,
      advertiseAddress: ["192.0.2.10", "hub.example"],
      edgeCertLifetime: 2 * 86_400_000,
      tokenLifetime: 2 * 3_600_000,
      authorization: "on",
      identity: "header",
      ackWindow: 1,
      strictGo: new Set(["device-source"]),
      eras: [{ nodeSelector: { era: "old" }, era: "v1.1" }],
      controllers: new Set(["edgeController", "syncController"]),
      certificateFiles: { ca: "/ca.crt" },
    });
    expect(servers).toEqual({
      https: { host: "0.0.0.0", port: 20002 },
      quic: { host: "127.0.0.1", port: 20001, maxIncomingStreams: 5 },
      monitor: { host: "::1", port: 9999 },
    });
    expect(kubeconfig).toEqual({ file: "/root/.kube/config", master: "https://192.0.2.1:6443" });
  });

  test("workers and waiting places of what edges ask are what KubeEdge's keys say, and never fewer than so many nodes need", () => {
    const { upstream } = read(`
modules:
  cloudHub: { nodeLimit: 2000 }
  edgeController:
    load: { queryConfigMapWorkers: 7, CreatePodWorks: 2, serviceaccounttokenworkers: 3, queryNodeWorkers: 5 }
    buffer: { queryConfigMap: 9, patchNode: 1 }
`).config;
    expect(upstream).toMatchObject({
      configMap: { workers: 7, buffer: 9 },
      createPod: { workers: 2, buffer: 1024 },
      serviceAccountToken: { workers: 3 },
      nodeStatus: { workers: 100, buffer: 1024 },
      queryNode: { workers: 2000, buffer: 3024 },
      createLease: { workers: 2000, buffer: 3024 },
      patchNode: { workers: 140, buffer: 2024 },
    });
    expect(upstreamLimitsFor(4000, upstream)).toMatchObject({
      configMap: { workers: 7, buffer: 9 },
      queryNode: { workers: 4000, buffer: 5024 },
    });
    const few = read(`
modules:
  cloudHub: { nodeLimit: 100 }
  edgeController: { load: { queryNodeWorkers: 5 } }
`).config.upstream;
    expect(upstreamLimitsFor(200, few)).toMatchObject({ queryNode: { workers: 200 } });
    expect(read("").config.upstream).toMatchObject({
      queryNode: { workers: 500, buffer: 1524 },
      patchNode: { workers: 110, buffer: 1274 },
    });
  });

  test.each([
    ["authorization: { enable: true }", "on"],
    ["authorization: { debug: true }", "log"],
    ["authorization: { enable: false }", "off"],
  ])("%s: what edges ask is checked: %s", (text, expected) => {
    expect(hub(text).config.authorization).toBe(expected);
  });

  test("keys without effect are accepted, and named in one line; so are unknown keys", () => {
    const { warnings } = read(`
modules:
  dynamicController: { enable: true }
  router: { port: 9444 }
  edgeController: { nodeUpdateFrequency: 3 }
  teapot: { enable: true }
`);
    expect(warnings).toEqual([
      "modules.edgeController.nodeUpdateFrequency, modules.dynamicController.enable, modules.router.port: no effect here, and ignored",
      "modules.teapot: not known, and ignored",
    ]);
  });

  test.each([
    ["nodeLimit: many", '3:16: modules.cloudHub.nodeLimit: it is "many"; it must be a whole number above 0'],
    [
      "websocket: { port: 70000 }",
      "3:24: modules.cloudHub.websocket.port: it is 70000; it must be a port: a whole number from 1 to 65535",
    ],
    ["websocket: on", "3:5: modules.cloudHub.websocket: it is true; it must be a section with keys of its own"],
    [
      "https: { address: here }",
      '3:23: modules.cloudHub.https.address: it is "here"; it must be an IP address, such as 0.0.0.0',
    ],
    [
      "advertiseAddress: ['192.0.2.1:10000']",
      '3:23: modules.cloudHub.advertiseAddress: it is ["192.0.2.1:10000"]; it must be a list of addresses and names, without ports',
    ],
    [
      "unixsocket: { address: /tmp/x }",
      '3:28: modules.cloudHub.unixsocket.address: it is "/tmp/x"; it must be unix:// and an absolute path',
    ],
    ["tlsCAFile: ca.crt", '3:16: modules.cloudHub.tlsCAFile: it is "ca.crt"; it must be an absolute path, or nothing'],
    [
      "tokenRefreshDuration: 0",
      "3:27: modules.cloudHub.tokenRefreshDuration: it is 0; it must be a whole number above 0",
    ],
  ])("%s is refused with place, key, what was found and what is allowed", (text, message) => {
    expect(() => hub(text)).toThrow(`cloudcore.yaml:${message}`);
  });

  test.each([
    ["skep: { ackWindow: 0 }", "1:20: skep.ackWindow: it is 0; it must be a whole number from 1 to 90"],
    ["skep: { identity: nobody }", '1:19: skep.identity: it is "nobody"; it must be certificate or header'],
    ["skep: { strictGo: [everything] }", "1:19: skep.strictGo: it is"],
    ["skep: { windows: 1 }", "1:9: skep.windows: there is no such key; there are identity, ackWindow, strictGo, eras"],
    ["skep: { eras: [{ era: v1.1 }] }", "1:15: skep.eras: it is"],
    ["kubeAPIConfig: { kubeConfig: config }", "1:30: kubeAPIConfig.kubeConfig: it is"],
    ["a: [", "not YAML"],
    ["modules: { cloudHub: { dnsNames: [*.example.com] } }", "1:35: not usable: Unresolved alias"],
    ["- a", "1:1: a mapping of keys was expected"],
  ])("%s is refused", (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test("every mistake is reported at once, in the order of the file", () => {
    const message = (() => {
      try {
        read("skep: { ackWindow: 0 }\nmodules:\n  cloudHub: { nodeLimit: x, keepaliveInterval: no }\n");
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    })();
    expect(message.split("\n").map((line) => line.split(": ")[1])).toEqual([
      "skep.ackWindow",
      "modules.cloudHub.nodeLimit",
      "modules.cloudHub.keepaliveInterval",
    ]);
  });
});

describe("as Go reads it", () => {
  test.each([
    ["apiVersion: anything/v9", 'apiVersion ("anything/v9"): not what KubeEdge writes there, and without effect here'],
    ["kind: EdgeCore", 'kind ("EdgeCore"): not what KubeEdge writes there, and without effect here'],
    ["modules: { iptablesManager: { mode: nft } }", 'modules.iptablesManager.mode ("nft"): not what KubeEdge writes'],
    ["modules: { router: { port: none } }", 'modules.router.port ("none"): not what KubeEdge writes there'],
    ["a: 1\nmodules: { nothing: 2 }", "a, modules.nothing: not known, and ignored"],
    ["kind: CloudCore\nkind: CloudCore", "kind: there more than once; the last one counts"],
  ])("%s is accepted, and one line says what is ignored", (text, warning) => {
    const { warnings } = read(text);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(warning);
  });

  test("nulls leave defaults, numbers stand for texts, whole floats for numbers, empty texts for nothing", () => {
    const { config, servers, warnings } = read(`
apiVersion: cloudcore.config.kubeedge.io/v1alpha2
kind: CloudCore
modules:
  cloudHub:
    nodeLimit: 1e3
    keepaliveInterval: 20.0
    unixsocket: { enable: off }
    quic: { enable: yes, maxIncomingStreams: 1_000 }
    advertiseAddress: [~, "", 192.0.2.1]
    dnsNames: [~, 1234, true]
    websocket:
    tokenRefreshDuration: ~
    https: { port: }
`);
    expect(config).toMatchObject({ nodeLimit: 1000, keepaliveInterval: 20_000, tokenLifetime: 86_400_000 });
    expect(config.advertiseAddress).toEqual(expect.arrayContaining(["192.0.2.1", "1234", "true"]));
    expect(config.advertiseAddress).not.toContain("");
    expect(warnings).toEqual([]);
    expect(servers.unixsocket).toBeUndefined();
    expect(servers.quic).toMatchObject({ maxIncomingStreams: 1000 });
  });

  test("lists of nothing leave this host's own address; the last of equal keys counts, and the first document", () => {
    const own = read("").config.advertiseAddress;
    for (const list of ["[]", "[~]", "['']", "~"]) {
      expect(hub(`advertiseAddress: ${list}`).config.advertiseAddress).toEqual(own);
    }
    expect(hub("{ nodeLimit: 1, NodeLimit: 2 }").config.nodeLimit).toBe(2);
    expect(read("modules: { cloudHub: { nodeLimit: 7 } }\n---\nmodules: 1\n").config.nodeLimit).toBe(7);
  });

  test("aliases stand for sections and values, and << brings keys that the mapping's own overrule", () => {
    const { config, servers, warnings } = read(`
shared: &ports { https: { port: 20002 }, websocket: &ws { enable: true, port: 20000 } }
limits: &limits { nodeLimit: 7, keepaliveInterval: 5 }
more: &more { nodeLimit: 8, keepaliveInterval: 9, tokenRefreshDuration: 3 }
modules:
  cloudHub:
    <<: [*limits, *more]
    nodeLimit: 6
    websocket: *ws
    https: { <<: *ws, port: 20003 }
`);
    expect(config).toMatchObject({ nodeLimit: 6, keepaliveInterval: 5000, tokenLifetime: 6 * 3600_000 });
    expect(servers).toMatchObject({ websocket: { port: 20000 }, https: { port: 20003 } });
    expect(warnings).toEqual(["shared, limits, more: not known, and ignored"]);
  });

  test("an alias for a node that contains it, and one without an anchor, are refused with their place", () => {
    expect(() => read("modules: &m { cloudHub: { websocket: *m } }")).toThrow(/cloudcore\.yaml:1:\d+: not usable/);
    expect(() => read("modules: *m")).toThrow(/cloudcore\.yaml:1:\d+: not usable/);
  });

  const folder = new URL("kubeedge/", import.meta.url);
  const files = readdirSync(folder);
  test.each(files)("KubeEdge's own %s starts, with a line for each kind of thing that is ignored", (file) => {
    const { config, servers, warnings } = parseCloudCoreFile(readFileSync(new URL(file, folder), "utf8"), file);
    expect(servers.https.port).toBe(10002);
    expect(config.advertiseAddress.length).toBeGreaterThan(0);
    expect(config.advertiseAddress).not.toContain("");
    expect(warnings.length).toBeLessThanOrEqual(4);
  });
});

describe("the printed files", () => {
  test("--defaultconfig holds every key, and reading it gives the defaults without a warning", () => {
    const given = read(defaultConfigText());
    expect(given).toEqual(read(""));
    const printed: unknown = parse(defaultConfigText());
    const check = (section: ConfigSection, values: unknown, path: string): void => {
      for (const [name, entry] of Object.entries(section)) {
        expect(values, path).toHaveProperty([name]);
        if (!isKey(entry)) check(entry, (values as Record<string, unknown>)[name], `${path}.${name}`);
      }
    };
    check({ ...cloudcoreKeys("192.0.2.1"), skep: skepKeys }, printed, "");
  });

  test("--minconfig switches the hub on, unlike KubeEdge's own, and can be read", () => {
    const { config, warnings } = read(minConfigText());
    expect(config.nodeLimit).toBe(1000);
    expect(warnings).toEqual([]);
    expect(minConfigText()).not.toContain("enable: false");
  });

  test("every default is a value that its own check takes", () => {
    const check = (section: ConfigSection, path: string[]): void => {
      for (const [name, entry] of Object.entries(section)) {
        if (!isKey(entry)) check(entry, [...path, name]);
        else {
          const nested = [...path, name].reduceRight<unknown>((value, key) => ({ [key]: value }), entry.default);
          expect(() => read(stringify(nested)), [...path, name].join(".")).not.toThrow();
        }
      }
    };
    check({ ...cloudcoreKeys("192.0.2.1"), skep: skepKeys }, []);
  });
});
