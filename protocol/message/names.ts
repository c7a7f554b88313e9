// The words of the wire: operations, resource types, groups, module names. KubeEdge's own, so a capture can be searched for here.

export const operations = {
  insert: "insert",
  delete: "delete",
  query: "query",
  update: "update",
  patch: "patch",
  upload: "upload",
  response: "response",
  error: "error",
  keepalive: "keepalive",
  connected: "connected",
  disconnected: "disconnected",
} as const;

export const groups = { resource: "resource", twin: "twin", user: "user", meta: "meta" } as const;

/** Cloud modules; name, group and message source are the same word. */
export const modules = {
  cloudhub: "cloudhub",
  edgecontroller: "edgecontroller",
  devicecontroller: "devicecontroller",
  synccontroller: "synccontroller",
  dynamiccontroller: "dynamiccontroller",
  taskmanager: "taskmanager",
  router: "router",
} as const;

/** Edge modules, as they sign their messages. `websocket` is EdgeHub. */
export const edgeModules = {
  edged: "edged",
  metamanager: "metamanager",
  twin: "twin",
  hub: "websocket",
  bus: "bus",
  servicebus: "servicebus",
} as const;

/** Sources of what the cloud's router sends to an edge. */
export const routerSources = {
  eventbus: "router_eventbus",
  servicebus: "router_servicebus",
  rest: "router_rest",
} as const;

/** Resource types: the third segment of a path in the cloud, the second on the wire. */
export const resourceTypes = {
  pod: "pod",
  podlist: "podlist",
  podstatus: "podstatus",
  podpatch: "podpatch",
  configmap: "configmap",
  secret: "secret",
  node: "node",
  nodestatus: "nodestatus",
  nodepatch: "nodepatch",
  lease: "lease",
  serviceaccounttoken: "serviceaccounttoken",
  persistentvolume: "persistentvolume",
  persistentvolumeclaim: "persistentvolumeclaim",
  volumeattachment: "volumeattachment",
  certificatesigningrequest: "certificatesigningrequest",
  event: "event",
  /** Of nodes of v1.1 alone, as are the lists. */
  service: "service",
  servicelist: "servicelist",
  endpoints: "endpoints",
  endpointslist: "endpointslist",
  /** Inside the cloud only: the router's report about a rule. */
  rulestatus: "rulestatus",
  device: "device",
  devicemodel: "devicemodel",
  membership: "membership",
} as const;

/** The label that makes a Node an edge node; its value is empty. */
export const edgeNodeLabel = "node-role.kubernetes.io/edge";

/** The annotation that tells which cloudcore a Node is connected to. */
export const cloudcoreAnnotation = "cloudcore";

/** The project id every KubeEdge edge sends unless configured otherwise. */
export const defaultProjectId = "e632aba927ea4ac2b575ec1603d56f10";

/** The content of an acknowledgement, and of an answer that carries nothing. */
export const ok = "OK";
