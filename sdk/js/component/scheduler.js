// Binds the plugin to the world `scheduler` and its neighbours. Node sets arrive as pairs of 32 bits:
// see build.mjs.
import exported from "../../../plugin.js";
import { Node, NodeSet, NotEligible, Pod, PodRejected } from "../src/scheduler.js";
import { guarded, instanceOf, interest, unanswered } from "./guard.js";

const plugin = instanceOf(exported);

const SYNC = {
  "node-upsert": ([index, node]) => plugin.nodeChanged(index, new Node(node)),
  "node-remove": (index) => plugin.nodeGone(index),
  "pod-upsert": ([uid, node, pod]) => plugin.podChanged(uid, node, new Pod(pod)),
  "pod-remove": (uid) => plugin.podGone(uid),
  "object-upsert": (object) => plugin.objectChanged(JSON.parse(object)),
  "object-remove": (identity) => plugin.objectGone(JSON.parse(identity)),
};

export const policy = {
  describe: unanswered(() => {
    const described = plugin.describe();
    return {
      points: plugin.points(),
      pod: described.pod ?? ["metadata.namespace"],
      interests: (described.interests ?? []).map(interest),
      filterScope: described.filterScope ?? "node",
      scoreScope: described.scoreScope ?? "node",
      normalization: described.normalization ?? "none",
      weight: described.weight ?? 1,
      order: described.order ?? 0,
    };
  }),
  ...guarded({
    configure: (config) => plugin.configure(JSON.parse(config)),
    sync: (deltas) => deltas.forEach(({ tag, val }) => SYNC[tag](val)),
  }),
};

export const filter = guarded({
  filter(pod, nodes) {
    try {
      const rejections = plugin.filter(new Pod(pod), NodeSet.fromPairs(nodes)) ?? [];
      const val = rejections
        .filter((one) => !one.nodes.isEmpty)
        .map(({ reason, nodes, unresolvable = false }) => ({ reason, nodes: nodes.toPairs(), unresolvable }));
      return { tag: "nodes", val };
    } catch (error) {
      if (error instanceof PodRejected) return { tag: "pod", val: error.message };
      throw error;
    }
  },
});

export const score = guarded({
  score: (pod, nodes) => plugin.score(new Pod(pod), NodeSet.fromPairs(nodes)).map(Math.trunc),
});

export const queue = guarded({ rank: (pod) => plugin.rank(new Pod(pod)) });

export const preemption = guarded({
  propose(pod, nodes) {
    try {
      return { tag: "proposals", val: plugin.propose(new Pod(pod), NodeSet.fromPairs(nodes)) ?? [] };
    } catch (error) {
      if (error instanceof NotEligible) return { tag: "not-eligible", val: error.message };
      throw error;
    }
  },
  choose: (pod, candidates) => plugin.choose(new Pod(pod), candidates) ?? null,
});

export const reserve = guarded({
  reserve: (pod, node) => void plugin.reserve(new Pod(pod), node),
  unreserve: (pod, node) => void plugin.unreserve(new Pod(pod), node),
});

export const permit = guarded({
  permit(pod, node) {
    const { wait, rejected } = plugin.permit(new Pod(pod), node) ?? {};
    if (rejected) return { tag: "reject", val: rejected };
    return wait ? { tag: "wait", val: wait } : { tag: "allow" };
  },
});

export const preBind = guarded({
  preBind(pod, node) {
    const { patches = [], ready = true, timeoutMs = 0 } = plugin.preBind(new Pod(pod), node) ?? {};
    const write = ({ apiVersion, kind, namespace = "", name, body, subresource = "", patchType = "merge" }) => ({
      apiVersion, kind, namespace, name, subresource, patchType, body: JSON.stringify(body),
    });
    return { patches: patches.map(write), ready, timeoutMs };
  },
});
