// Binds the plugin to the world `admission`.
import exported from "../../../plugin.js";
import { Denied, Request, patchOf } from "../src/admission.js";
import { guarded, instanceOf, interest, unanswered } from "./guard.js";

const plugin = instanceOf(exported);

export const check = {
  describe: unanswered(() => {
    const { rules, interests = [], mutates = false } = plugin.describe();
    const rule = ({ operations, apiGroups = [""], resources }) => ({
      operations: operations.map((operation) => operation.toLowerCase()),
      apiGroups,
      resources,
    });
    return { rules: rules.map(rule), interests: interests.map(interest), mutates };
  }),
  ...guarded({
    configure: (config) => plugin.configure(JSON.parse(config)),
    sync(deltas) {
      for (const { tag, val } of deltas) {
        if (tag === "upsert") plugin.objectChanged(JSON.parse(val));
        else plugin.objectGone(JSON.parse(val));
      }
    },
  }),
  review: unanswered((source) => {
    const request = new Request(source);
    try {
      const admitted = plugin.review(request);
      const patch = patchOf(request, admitted);
      return { patch: patch.length > 0 ? JSON.stringify(patch) : "", warnings: admitted?.warnings ?? [] };
    } catch (error) {
      if (!(error instanceof Denied)) throw error;
      throw { code: error.code, reason: error.reason, message: error.message };
    }
  }),
};

export const view = {
  reads: unanswered(() => plugin.reads().map(({ resources, fields }) => ({ resources, fields }))),
};

export const relevance = {
  conditions: unanswered(() => {
    const condition = ({ resources, groups = [], namespaceLabels = [] }) => ({ resources, groups, namespaceLabels });
    return plugin.conditions().map(condition);
  }),
};
