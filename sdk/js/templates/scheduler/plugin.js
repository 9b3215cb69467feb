// Ranks nodes by the label `example.com/rank`, and keeps pods off those that have none.
import { Policy } from "./sdk/js/src/scheduler.js";

export const RANK = "example.com/rank";

export default class {{Pascal}} extends Policy {
  ranks = new Map();

  describe() {
    return {
      interests: [{ apiVersion: "v1", kind: "Node", fields: ["metadata.labels"] }],
      normalization: "highest",
    };
  }

  nodeChanged(index, node) {
    if (RANK in node.labels) this.ranks.set(index, Number(node.labels[RANK]));
    else this.ranks.delete(index);
  }

  nodeGone(index) {
    this.ranks.delete(index);
  }

  filter(pod, nodes) {
    const unranked = nodes.filter((node) => !this.ranks.has(node));
    return [{ reason: `node(s) had no label ${RANK}`, nodes: unranked, unresolvable: true }];
  }

  score(pod, nodes) {
    return [...nodes].map((node) => this.ranks.get(node) ?? 0);
  }
}
