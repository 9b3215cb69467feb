export type Json = any;

/** A thin view: what policies read, by name; the rest stays in `raw`. */
export class KubernetesObject {
  constructor(source: string | object);
  readonly raw: Json;
  readonly metadata: Json;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

export interface Toleration {
  key?: string;
  operator?: "Equal" | "Exists";
  value?: string;
  effect?: string;
}

export class Node extends KubernetesObject {
  readonly unschedulable: boolean;
  readonly taints: Taint[];
  /** Resource name to quantity as written. */
  readonly allocatable: Record<string, string>;
}

export class Pod extends KubernetesObject {
  readonly nodeName: string;
  readonly nodeSelector: Record<string, string>;
  readonly tolerations: Toleration[];
  readonly priority: number;
  tolerates(taint: Taint): boolean;
  /** What the scheduler counts for it, by resource: CPU in thousandths, all else in units. */
  requests(): Record<string, number>;
}
