import { Json } from "./objects.js";
import { Interest } from "./scheduler.js";
export { Interest };

export interface Kind {
  apiVersion: string;
  kind: string;
}

/**
 * A change of such an object reconciles: the key of the controlling owner of kind `owner`, or what
 * `keys` answers where `mapped`, or its own key.
 */
export interface Watch extends Interest {
  owner?: string;
  mapped?: boolean;
}

export interface Description {
  watches: Watch[];
  /** How many different keys may be reconciled at once, each on an instance of its own. */
  concurrency?: number;
  /** What is said of metrics beforehand; any may be left out. */
  metrics?: Metric[];
}

/** A metric of the controller's own: see `Api.count`, `Api.gauge` and `Api.observe`. */
export interface Metric {
  name: string;
  kind: "counter" | "gauge" | "histogram";
  help?: string;
  /** Upper bounds of a histogram's buckets; left out: for durations in seconds. */
  buckets?: number[];
}

export type Labels = Record<string, string | number | boolean>;

/** A failed call: Kubernetes' Status in short. `code` is the HTTP status. */
export class ApiError extends Error {
  constructor(code: number, reason: string, message: string);
  readonly code: number;
  readonly reason: string;
  readonly isNotFound: boolean;
  readonly isConflict: boolean;
}

export type PatchType = "json" | "merge" | "strategic" | "apply";

/**
 * The API as the plugin's own service account sees it; failures throw `ApiError`. Reads come from the
 * host's watch cache unless they are live. The component and `fake.Cluster` implement it.
 */
export interface Api {
  get(kind: Kind, namespace: string, name: string, live?: boolean): Json | null;
  /** An empty namespace: all of them. Selectors in kubectl's syntax. */
  list(kind: Kind, namespace?: string, labels?: string, fields?: string): Json[];
  /** apiVersion, kind and metadata of whatever names this uid as an owner. */
  dependents(ownerUid: string): Json[];
  create(object: Json): Json;
  /** `metadata.resourceVersion`, when set, must match. */
  update(object: Json, subresource?: string): Json;
  updateStatus(object: Json): Json;
  patch(kind: Kind, namespace: string, name: string, body: Json, patchType?: PatchType, subresource?: string): Json;
  /** Server-side apply, as the plugin's own field manager. */
  apply(object: Json): Json;
  delete(kind: Kind, namespace: string, name: string, options?: object): void;
  deleteCollection(kind: Kind, namespace: string, options?: object): void;
  event(regarding: Json, eventType: "Normal" | "Warning", reason: string, message: string): void;
  /**
   * Adds to a counter of the plugin's own: `plugin_METRIC_total` on the host's `/metrics`, with the
   * plugin's name and these labels. The host drops what cannot be taken and says why in the plugin's log:
   * see `orch:controller`'s interface `metrics`.
   */
  count(metric: string, by?: number, labels?: Labels): void;
  /** Sets a gauge: `plugin_METRIC`. */
  gauge(metric: string, value: number, labels?: Labels): void;
  /** Adds a value to a histogram: `plugin_METRIC_bucket`, `…_sum` and `…_count`. */
  observe(metric: string, value: number, labels?: Labels): void;
  /** Takes out the samples with just these labels: what they are about is gone. */
  forget(metric: string, labels?: Labels): void;
  nowMs(): number;
}

/** Level-triggered: it may be stopped at any call and started again elsewhere. */
export class Controller {
  describe(): Description;
  configure(config: Json): void;
  /** For `mapped` watches: keys to reconcile. `watch` is its place in the description. */
  keys(watch: number, change: "added" | "modified" | "deleted", object: Json, before: Json | null): string[];
  /** Returns after how many milliseconds to look again though nothing changed, or nothing. */
  reconcile(api: Api, key: string): number | void;
}

/** Namespace and name; the namespace is empty for cluster-scoped objects. */
export function splitKey(key: string): [string, string];
export function keyOf(object: Json): string;
/** Makes `owner` the controller of what carries it: it goes when the owner goes. */
export function ownerReference(owner: Json): Json;
export function isBeingDeleted(object: Json): boolean;
export function hasFinalizer(object: Json, finalizer: string): boolean;
/** As Kubernetes writes times: whole seconds, UTC. */
export function rfc3339(nowMs: number): string;
export interface Condition {
  type: string;
  /** null: Unknown. */
  isTrue: boolean | null;
  reason: string;
  message: string;
  observedGeneration: number;
}
/** Sets a condition of `status`; its transition time moves only when its truth does. */
export function setCondition(status: Json, condition: Condition, nowMs: number): void;
