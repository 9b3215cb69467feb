import assert from "node:assert/strict";
import test from "node:test";
import Plugin, { OWNER } from "./plugin.js";
import * as fake from "./sdk/js/src/fake.js";

test("namespaces need an owner", () => {
  const host = new fake.Admission(new Plugin());
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } };
  assert.throws(() => host.create(namespace), { code: 403, message: `a namespace needs the label ${OWNER}` });
  namespace.metadata.labels = { [OWNER]: "me" };
  assert.deepEqual(host.create(namespace), namespace);
});
