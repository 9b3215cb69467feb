import { milli, whole } from "./quantity.js";

const parsed = (source) => (typeof source === "string" ? JSON.parse(source) : source);

/** What every object has. Fields outside a plugin's interests read as empty. */
export class KubernetesObject {
  constructor(source) {
    this.raw = parsed(source);
  }
  get metadata() {
    return this.raw.metadata ?? {};
  }
  get name() {
    return this.metadata.name ?? "";
  }
  get namespace() {
    return this.metadata.namespace ?? "";
  }
  get uid() {
    return this.metadata.uid ?? "";
  }
  get labels() {
    return this.metadata.labels ?? {};
  }
  get annotations() {
    return this.metadata.annotations ?? {};
  }
}

export class Node extends KubernetesObject {
  get unschedulable() {
    return this.raw.spec?.unschedulable ?? false;
  }
  get taints() {
    return this.raw.spec?.taints ?? [];
  }
  get allocatable() {
    return this.raw.status?.allocatable ?? {};
  }
}

export class Pod extends KubernetesObject {
  get nodeName() {
    return this.raw.spec?.nodeName ?? "";
  }
  get nodeSelector() {
    return this.raw.spec?.nodeSelector ?? {};
  }
  get tolerations() {
    return this.raw.spec?.tolerations ?? [];
  }
  get priority() {
    return this.raw.spec?.priority ?? 0;
  }

  tolerates(taint) {
    return this.tolerations.some((one) => tolerates(one, taint));
  }

  /**
   * Containers and sidecars add up; an init container counts with the sidecars started before it, and
   * only where that is more; overhead comes on top.
   */
  requests() {
    const spec = this.raw.spec ?? {};
    const total = {};
    for (const container of spec.containers ?? []) add(total, counted(container.resources?.requests));
    let sidecars = {};
    const highest = {};
    for (const container of spec.initContainers ?? []) {
      const needs = { ...sidecars };
      add(needs, counted(container.resources?.requests));
      if (container.restartPolicy === "Always") sidecars = needs;
      raise(highest, needs);
    }
    add(total, sidecars);
    raise(total, highest);
    add(total, counted(spec.overhead));
    return total;
  }
}

function tolerates({ key = "", operator = "Equal", value = "", effect = "" }, taint) {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  return operator === "Exists" || (key !== "" && value === (taint.value ?? ""));
}

function counted(resources = {}) {
  const entries = Object.entries(resources ?? {});
  return Object.fromEntries(entries.map(([name, amount]) => [name, name === "cpu" ? milli(amount) : whole(amount)]));
}

function add(total, more) {
  for (const [name, amount] of Object.entries(more)) total[name] = (total[name] ?? 0) + amount;
}

function raise(total, least) {
  for (const [name, amount] of Object.entries(least)) total[name] = Math.max(total[name] ?? 0, amount);
}
