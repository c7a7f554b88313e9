// What a Kubernetes in containers is made of: an image, or programs of this machine.

/** An image of a Kubernetes, and how it is started. */
export interface KubernetesImage {
  readonly image: string;
  /** Default: K3s' server. */
  readonly command?: readonly string[];
  /** Where its kubeconfig is, once it is ready. Default: K3s' path. */
  readonly kubeconfigPath?: string;
  /** Default: 6443. */
  readonly port?: number;
}

/** Programs of this machine that an image is made of, on the spot: https://kubernetes.io/releases/download and etcd's. */
export interface KubernetesBinaries {
  readonly apiserver: string;
  readonly etcd: string;
  /** Without it nobody deletes namespaces, makes service accounts or replaces pods. */
  readonly controllerManager?: string;
  /** Without it pods run where their nodeName says. */
  readonly scheduler?: string;
}
