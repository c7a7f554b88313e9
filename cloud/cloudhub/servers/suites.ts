// The cipher suites of cloudcore's ports: with forward secrecy and authenticated encryption only; TLS 1.3 has no others.

const tls13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

const withKey = (kind: "ECDSA" | "RSA") =>
  ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"].map((suite) => `ECDHE-${kind}-${suite}`);

/** Those of KubeEdge's port for edges (cloud/pkg/cloudhub/servers/server.go, v1.23), as OpenSSL calls them. */
export const edgeSuites = [...withKey("ECDSA"), ...tls13].join(":");

/** Those of the enrolment port, where KubeEdge has Go's default: a certificate of the user's own may have an RSA key. */
export const enrolmentSuites = [...withKey("ECDSA"), ...withKey("RSA"), ...tls13].join(":");
