export { NodeSet } from "./nodeset.js";
export { Node, Pod } from "./objects.js";

/** Thrown by `filter`: the pod can go nowhere, whatever the node. The message is the reason. */
export class PodRejected extends Error {}

/** Thrown by `propose`: the pod may not preempt. The message is the reason. */
export class NotEligible extends Error {}

/** Extension points, by the function of `Policy` that answers there. */
const POINTS = {
  filter: "filter",
  score: "score",
  rank: "queue",
  propose: "preemption",
  reserve: "reserve",
  permit: "permit",
  preBind: "preBind",
};

export class Policy {
  describe() {
    return {};
  }
  configure(_config) {}
  nodeChanged(_index, _node) {}
  nodeGone(_index) {}
  podChanged(_uid, _node, _pod) {}
  podGone(_uid) {}
  objectChanged(_object) {}
  objectGone(_identity) {}
  filter(_pod, _nodes) {
    return [];
  }
  score(_pod, nodes) {
    return Array(nodes.size).fill(0);
  }
  rank(_pod) {
    return 0;
  }
  propose(_pod, _nodes) {
    return [];
  }
  choose(_pod, _candidates) {
    return null;
  }
  reserve(_pod, _node) {}
  unreserve(_pod, _node) {}
  permit(_pod, _node) {
    return {};
  }
  preBind(_pod, _node) {
    return {};
  }
  points() {
    const overridden = (name) => this[name] !== Policy.prototype[name];
    return Object.fromEntries(Object.entries(POINTS).map(([name, point]) => [point, overridden(name)]));
  }
}
