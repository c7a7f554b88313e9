// Every error code: what it means and what to do about it. `docs/errors.md` is generated from this table.

/** What is known of a code. */
export interface ErrorFacts {
  readonly meaning: string;
  /** What to do, as an imperative sentence without its full stop. */
  readonly advice: string;
  /** Every scenario of a run needs what is missing: the run ends. */
  readonly endsRun?: true;
  /** It never reaches a user unless skep has a bug. */
  readonly isInternal?: true;
}

const report = "report it at the project's issue tracker, with the stack that --verbose shows";

export const errorCodes = {
  SKEP_USAGE: {
    meaning: "A command was called with arguments that it does not take, or that contradict each other.",
    advice: "see the command's --help",
  },
  SKEP_LISTEN: {
    meaning: "A port or an address could not be opened.",
    advice: "choose another port with --port (0 finds a free one), or an address of this machine with --bind",
    endsRun: true,
  },
  SKEP_SCENARIO: {
    meaning: "A file is not a valid scenario. The message names line and column.",
    advice: "correct the file; `skep check FILE` reads it without running it",
  },
  SKEP_INPUT_FILE: {
    meaning:
      "A file that a scenario or a file of cohorts names is missing or invalid: a manifest, a table, a model, a stage.",
    advice: "correct the file, or the name of it; `skep check FILE` reads all of them without running anything",
  },
  SKEP_COHORT: {
    meaning: "A cohort of edges is described in a way that does not work.",
    advice: "correct the cohort; docs/fleet.md describes every field",
  },
  SKEP_STAGE: {
    meaning: "A stage that pods are to go through is invalid.",
    advice: "correct the stage; docs/fleet.md describes what stages may contain",
  },
  SKEP_STEP: {
    meaning: "A step of a scenario failed: what it expected did not come true.",
    advice: "compare the details and the messages under the failed step with what was expected",
  },
  SKEP_NOT_READY: {
    meaning: "The edges of a scenario were not ready in time.",
    advice: "look at the reason given for the first edge; on a slow machine use fewer edges or a lower --time-scale",
  },
  SKEP_TARGET: {
    meaning: "A target of scenarios is not there, or can't be what its description says.",
    advice: "correct the description; `skep target check NAME` tries it without running a scenario",
    endsRun: true,
  },
  SKEP_FOREIGN_CLOUDCORE: {
    meaning: "A cloudcore that is not skep's, and that a target asks to be started, did not start.",
    advice: "read what it said last; start it by hand with the same kubeconfig to see all of it",
    endsRun: true,
  },
  SKEP_NOT_OURS: {
    meaning: "Something in a cluster has the name that a run needs, or would be changed by it, and belongs to others.",
    advice:
      "let it be, and give what the run makes another name; what an earlier run left is removed by `skep clean --kubeconfig FILE --run ID`",
  },
  SKEP_TAKEN_CLUSTER: {
    meaning: "A cluster has a cloudcore that is not skep's, or the CA of one: ours would serve its edges, too.",
    advice: "use another cluster, or say --take-over if skep's cloudcore is to serve it from now on, with that CA",
    endsRun: true,
  },
  SKEP_HOP_FILTER: {
    meaning: "A filter for messages is not a CEL condition over the fields of a hop.",
    advice: "correct the expression; the message lists the fields",
  },
  SKEP_CONTROL: {
    meaning: "A question or an action was sent to a running skep that it can't answer or do.",
    advice: "correct what the message names",
  },
  SKEP_CONTROL_CLIENT: {
    meaning: "A running skep does not answer at its control endpoint, or refuses.",
    advice: "look at what runs in this folder with `skep tap`, or give its address with --at",
  },
  SKEP_PROXY_TRUST: {
    meaning: "A proxy lacks a certificate that an edge or the cloudcore would trust.",
    advice: "give it the cloudcore's CA (--kubeconfig or --certs), or the files that the message names",
  },
  SKEP_TRACES: {
    meaning: "Traces are to be exported to OpenTelemetry, and its packages are not installed or refuse.",
    advice:
      "install @opentelemetry/sdk-trace-base, @opentelemetry/exporter-trace-otlp-http and @opentelemetry/resources, or unset OTEL_EXPORTER_OTLP_ENDPOINT",
  },
  SKEP_RECORDING: {
    meaning: "A file is no recording of messages, or is one of another version.",
    advice: "make a recording with `skep tap -o FILE` or `skep run --record`",
  },
  SKEP_KUBECONFIG: {
    meaning: "The kubeconfig can't be used.",
    advice: "check the file given with --kubeconfig, and that kubectl works with it",
    endsRun: true,
  },
  SKEP_KUBE_UNREACHABLE: {
    meaning: "The Kubernetes API does not answer.",
    advice: "check the server's address in the kubeconfig, and that the API is running",
    endsRun: true,
  },
  SKEP_KUBE_API: {
    meaning: "The Kubernetes API refused a request. The message is the API's own.",
    advice: "correct the object, or grant the permission that the message names",
  },
  SKEP_KUBE_KIND: {
    meaning: "The Kubernetes API does not serve a kind.",
    advice: "correct apiVersion and kind, or install the CustomResourceDefinition",
  },
  SKEP_CRDS: {
    meaning: "The cluster serves KubeEdge's kinds in other versions than cloudcore needs.",
    advice: "install the definitions that `skep cloudcore --crds` prints",
    endsRun: true,
  },
  SKEP_CONFIG_FILE: {
    meaning: "A cloudcore.yaml, or a conf/ folder of KubeEdge v1.1, can't be used. There is a line for each mistake.",
    advice: "correct the file; `skep cloudcore --defaultconfig` prints one with every key",
  },
  SKEP_KEY_FILE: {
    meaning: "A certificate or a private key can't be used.",
    advice: "check that certificate and key are PEM files and belong together",
    endsRun: true,
  },
  SKEP_TOKEN: {
    meaning: "The token that edges enrol with is not valid for this cloudcore.",
    advice: "copy the whole token again: `keadm gettoken`, or the secret tokensecret in the namespace kubeedge",
    endsRun: true,
  },
  SKEP_ENROLMENT: {
    meaning: "An edge could not obtain its certificate from cloudcore.",
    advice: "check the address and port of cloudcore's HTTPS server and the token",
    endsRun: true,
  },
  SKEP_HUB_ADDRESS: {
    meaning: "A text does not name the address of a cloudcore.",
    advice: "write HOST or HOST:PORT, such as cloudcore.example:10000",
  },
  SKEP_CLOUDCORE_REFUSES: {
    meaning: "The cloudcore refuses the connections of all edges.",
    advice: "use a token or certificates that this cloudcore accepts; the message has its reason",
    endsRun: true,
  },
  SKEP_CLOUDCORE_UNREACHABLE: {
    meaning: "No edge could connect to the cloudcore.",
    advice: "check --cloudcore HOST:PORT and that the port is open from here",
    endsRun: true,
  },
  SKEP_QUIC_MISSING: {
    meaning: "This machine or runtime has no QUIC.",
    advice: "use WebSocket (the default), or Node on Linux x64 with the package @matrixai/quic",
  },
  SKEP_MODULE_START: {
    meaning: "A module of cloudcore could not start. The message contains the reason.",
    advice: "remove the reason named in the message",
  },
  SKEP_BROKER: {
    meaning: "An MQTT broker can't be opened or reached.",
    advice: "choose another port in the cohort's `mqtt`, or start the broker that it names",
  },
  SKEP_DMI: {
    meaning: "An edge's DMI socket can't be opened.",
    advice: "choose a folder for `dmi` that is writable and whose path is short",
  },
  SKEP_EDGECORE: {
    meaning: "A real edgecore can't be started, has ended, or did not become Ready.",
    advice: "read what it said; `edges` of a target names the program or image, and it runs on Linux as root",
  },
  SKEP_STORE_FILE: {
    meaning: "The file of the edges' stores can't be used.",
    advice: "choose another folder with --data, or delete the file to begin with empty stores",
  },
  SKEP_TOO_LARGE: {
    meaning: "A load profile needs more than this machine has.",
    advice: "make it smaller, as with --scale 0.1, or give it another machine",
  },
  SKEP_LOAD: {
    meaning: "A load run could not be made: its edges did not join, or what it needs did not come to be.",
    advice: "see what the target says; `--edges 10` shows whether it works at all",
  },
  SKEP_WORKER: {
    meaning: "A worker process of the fleet ended by itself. The message is its last line.",
    advice: "remove the reason named in the message",
  },
  SKEP_DEVICE: {
    meaning: "An edge does not have the device, or must not report the value.",
    advice: "correct the name of the device or the value",
  },
  SKEP_TWIN: {
    meaning: "A mapper's twin update is refused as a whole. The message is KubeEdge's own.",
    advice: "correct the update; the twin's version or metadata does not fit",
  },
  SKEP_DIAL: {
    meaning: "A connection to cloudcore was not established: refused by HTTP status, by TLS, or not reached.",
    advice: "check the address, the port and the edge's certificate",
  },
  SKEP_DISCONNECTED: {
    meaning: "An edge has no connection to cloudcore, or lost it before the answer arrived.",
    advice: "wait for the edge to reconnect",
  },
  SKEP_UNANSWERED: {
    meaning: "Cloudcore did not answer an edge's request in time.",
    advice: "look at cloudcore's log; the edge asks again by itself",
  },
  SKEP_CLOUD: {
    meaning: "Cloudcore answered an edge's request with an error of the Kubernetes API.",
    advice: "correct what the API's message names",
  },
  SKEP_SERVICE_CALL: {
    meaning: "A call of an HTTP service beside an edge failed.",
    advice: "check that the service is running on the port that the rule names",
  },
  SKEP_VOLUME: {
    meaning: "An edge did not answer a request of the CSI driver.",
    advice: "check that the node is connected; the driver asks again",
  },
  SKEP_MESSAGE_FORMAT: {
    meaning: "A peer sent text that is not a KubeEdge message. Its connection is closed.",
    advice: "check the peer's version; `skep run --verbose` shows what arrived",
  },
  SKEP_FRAME: {
    meaning: "A peer sent bytes that are not a frame of KubeEdge's QUIC protocol. Its connection is closed.",
    advice: "check the peer's version",
  },
  SKEP_CSR: {
    meaning: "A certificate request can't be signed. The message is KubeEdge's own.",
    advice: "check the request's subject and signature",
  },
  SKEP_REPORT: {
    meaning: "A device report of an edge can't be read.",
    advice: "check the mapper that made it",
  },
  SKEP_CONTENT: {
    meaning: "The content of an edge's request can't be read. The words are KubeEdge's.",
    advice: "check the edge's version",
  },
  SKEP_DATA_FOLDER: {
    meaning: "The API can't keep its objects in the folder that was named.",
    advice: "name a folder that can be written and that no other API server uses",
  },
  SKEP_API_STATUS: {
    meaning: "The embedded API answers a request with this Status.",
    advice: "correct the request; the Status says what is wrong",
    isInternal: true,
  },
  SKEP_BUS: {
    meaning: "A call between modules of cloudcore failed. The words are KubeEdge's.",
    advice: report,
    isInternal: true,
  },
  SKEP_QUEUE_CLOSED: {
    meaning: "A queue was closed while something waited for it.",
    advice: report,
    isInternal: true,
  },
  SKEP_OBJECT_NAME: {
    meaning: "A name can't be part of a path of the Kubernetes API, or is missing.",
    advice: "correct the name: it must not be empty, `.` or `..`, nor contain `/` or `%`",
  },
} as const satisfies Readonly<Record<string, ErrorFacts>>;

/** A stable name of a kind of error, such as `SKEP_LISTEN`. */
export type ErrorCode = keyof typeof errorCodes;
