import { Request, patchOf } from "./admission.js";
import { NodeSet } from "./nodeset.js";
import { Node, Pod } from "./objects.js";
import { applied } from "./patch.js";

export { Cluster } from "./cluster.js";

export function node(name, { labels = {}, allocatable, taints = [], unschedulable = false } = {}) {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, uid: `uid-${name}`, labels },
    spec: { unschedulable, taints },
    status: { allocatable: allocatable ?? { cpu: "4", memory: "16Gi", pods: "110" } },
  };
}

export function pod(name, { labels = {}, requests = {}, ...spec } = {}) {
  const containers = [{ name: "main", image: "example", resources: { requests } }];
  const metadata = { name, namespace: "default", uid: `uid-${name}`, labels };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers, ...spec } };
}

export class Scheduler {
  #indexes = new Map();
  #next = 0;

  constructor(policy, config = {}) {
    this.policy = policy;
    this.description = policy.describe();
    policy.configure(config);
  }

  node(source, parts) {
    const object = typeof source === "string" ? node(source, parts) : source;
    const name = object.metadata.name;
    if (!this.#indexes.has(name)) this.#indexes.set(name, this.#next++);
    this.policy.nodeChanged(this.#indexes.get(name), new Node(object));
  }

  removeNode(name) {
    this.policy.nodeGone(this.#indexes.get(name));
    this.#indexes.delete(name);
  }

  place(source, nodeName) {
    const placed = new Pod(source);
    this.policy.podChanged(placed.uid, this.#indexes.get(nodeName), placed);
  }

  removePod(source) {
    this.policy.podGone(new Pod(source).uid);
  }

  rejected(source) {
    const names = new Map([...this.#indexes].map(([name, index]) => [index, name]));
    const reasons = {};
    for (const { reason, nodes } of this.policy.filter(new Pod(source), new NodeSet(names.keys())) ?? []) {
      for (const index of nodes) if (names.has(index)) reasons[names.get(index)] ??= reason;
    }
    return reasons;
  }

  feasible(source) {
    const rejected = this.rejected(source);
    return [...this.#indexes.keys()].filter((name) => !(name in rejected));
  }

  scores(source) {
    const feasible = this.feasible(source).sort((a, b) => this.#indexes.get(a) - this.#indexes.get(b));
    const raw = this.policy.score(new Pod(source), new NodeSet(feasible.map((name) => this.#indexes.get(name))));
    if (raw.length !== feasible.length) throw new Error(`${raw.length} scores for ${feasible.length} nodes`);
    const normalized = normalize(raw, this.description.normalization ?? "none");
    return Object.fromEntries(feasible.map((name, place) => [name, normalized[place]]));
  }
}

function normalize(scores, how) {
  if (how === "none") return scores;
  const highest = Math.max(0, ...scores);
  const share = scores.map((score) => (highest ? Math.floor((score * 100) / highest) : 0));
  return how === "highest" ? share : share.map((score) => 100 - score);
}

export class Admission {
  constructor(check, config = {}) {
    this.check = check;
    this.warnings = [];
    this.description = check.describe();
    check.configure(config);
  }

  review(operation, object = null, oldObject = null, fields = {}) {
    const { name = "", namespace = "" } = (object ?? oldObject)?.metadata ?? {};
    const request = new Request({ operation, object, oldObject, name, namespace, ...fields });
    const admitted = this.check.review(request);
    this.warnings.push(...(admitted?.warnings ?? []));
    const patch = patchOf(request, admitted);
    if (patch.length > 0 && !this.description.mutates) {
      throw new Error("the check changes objects, but its description does not say `mutates`");
    }
    return applied(object, patch);
  }

  create(object, fields) {
    return this.review("CREATE", object, null, fields);
  }
  update(oldObject, object, fields) {
    return this.review("UPDATE", object, oldObject, fields);
  }
  delete(oldObject, fields) {
    return this.review("DELETE", null, oldObject, fields);
  }
}
