// Every limit on input, with its unit and its reason, in one place.

/** Checked before memory is taken. Values are KubeEdge's where it has one. */
export const limits = {
  /** Bytes of one hub message. KubeEdge 1.23.1 caps a QUIC payload at 32 MiB (CVE-2026-62370); ours holds for WebSocket too. */
  message: 32 * 1024 * 1024 + 64 * 1024,
  /** Bytes of a QUIC frame's payload, KubeEdge's own. */
  quicPayload: 32 * 1024 * 1024,
  /** Fragments of one WebSocket message. A Go client cuts at 4 KiB, so 32 MiB would be 8,192; objects end at about 1.5 MiB. */
  fragments: 8_320,
  /** Characters of an id or of a field of the route: a URL at most. They are logged and kept in hop records. */
  messageField: 2048,
  /** Nesting of a JSON document; a recursive walk of more could overflow the stack. */
  jsonDepth: 64,
  /** Keys of one object in a message: the 1 MiB that a ConfigMap may have can hold 210,000 of the shortest. */
  objectKeys: 262_144,
  /** Characters of a key as it is written, escapes included. Names end at 317; keys of `managedFields` hold values of lists. */
  objectKey: 16_384,
  /** Bytes of an enrolment request's body, KubeEdge's own (CVE-2022-31075). */
  httpBody: 1024 * 1024,
  /** Bytes of an edge's report about a task, KubeEdge's own. */
  taskReport: 3 * 1024 * 1024,
  /** Bytes of an API request's body: what kube-apiserver accepts (3 MiB). */
  apiBody: 3 * 1024 * 1024,
  /** Nesting of an API request's body; schemas of CRDs go deeper than messages do. */
  apiDepth: 256,
  /** Watches of the embedded API at once. */
  apiWatches: 20_000,
  /** Bytes of what the CSI driver asks: what Go's server reads. */
  csiDocument: 10_480,
  /** CSI connections at once; the driver opens one a question. */
  csiConnections: 64,
  /** Bytes of one MQTT packet that a mapper may send: what a message to the cloud can carry, with room for its envelope. */
  mqttPacket: 1024 * 1024,
  /** Characters of an MQTT client's id (MQTT 3.1.1 asks for 23 at least; tools use more). */
  mqttClientId: 128,
  /** Properties of one device, and reports of a mapper about it in one call over DMI; devices have some tens. */
  twinsOfDevice: 1000,
  twinsOfReport: 100,
  /** Calls of services beside an edge at once. */
  serviceCalls: 100,
  /** Bytes of a message over DMI, gRPC's own default. */
  dmiMessage: 4 * 1024 * 1024,
  /** Messages of one edge that wait for its message limit; KubeEdge's channel of 1024. */
  edgeMessages: 1024,
  /** Reports of twins that wait for it: the newest of each property, so that the devices of an edge bound them. */
  edgeReports: 65_536,
  /** Bytes of what a service beside an edge asks or answers, KubeEdge's own. */
  serviceBody: 5 * 1024 * 1024,
  /** Bytes of a cloudcore.yaml; KubeEdge's own defaults are about 5 KiB. */
  configFile: 1024 * 1024,
  /** Connections to a port of the hub that have not asked for anything yet, and milliseconds that one may take: KubeEdge's handshake timeout. */
  handshakes: 4096,
  handshakeTimeout: 30_000,
  /** Bytes of request headers, and how many are read: KubeEdge's edges send six, kubectl ten. */
  headers: 16 * 1024,
  headerCount: 100,
  /** Bytes that are read of the answer to a refused handshake (CVE-2022-31080: it used to be all of it). */
  refusalBody: 1024,
  /** Characters of an action for the control endpoint, and readers of its hops at once. */
  controlBody: 64 * 1024,
  controlStreams: 64,
  /** Bytes of a file that says what to do: a scenario, cohorts, a load profile, targets. Generated ones have some hundred thousand. */
  scenarioFile: 16 * 1024 * 1024,
  /** Characters of a line of a recording: a message of the largest size, escaped. Hops of one. */
  recordingLine: 128 * 1024 * 1024,
  recordingHops: 10_000_000,
  /** Messages in a beehive module's channel (KubeEdge: 1024). */
  moduleChannel: 1024,
  /** Messages waiting in one node's lane. */
  laneMessages: 1024,
  /**
   * Bytes waiting in one node's lane, and in its socket. What does not fit into the lane is dropped, and sent from the
   * caches when there is room; a node whose socket's buffer is full is disconnected.
   */
  laneBytes: 8 * 1024 * 1024,
  /** Bytes one node may have in flight, unacknowledged; one message always may be. */
  laneWindowBytes: 4 * 1024 * 1024,
  /** Messages waiting for one node of v1.1, which acknowledges nothing; they hold objects that are in our caches anyway. */
  pacedMessages: 16_384,
  /** Bytes in such a node's socket above which the rest waits. */
  pacedBuffered: 1024 * 1024,
  /** Upstream messages of one edge in progress, from read to processed, before its socket is no longer read. */
  upstreamMessages: 64,
  /** Bytes of these. */
  upstreamBytes: 8 * 1024 * 1024,
  /** Upstream messages being worked on at once, all nodes together. */
  upstreamJobs: 16_384,
  /** Bytes of hop records that a process keeps, messages included; the oldest fall out. */
  hopBytes: 64 * 1024 * 1024,
  /** The same of a cloudcore or a fleet that serves others: it keeps the last minutes for clients that connect later. */
  servedHopBytes: 32 * 1024 * 1024,
} as const;
