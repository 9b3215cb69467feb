import assert from "node:assert/strict";
import test from "node:test";
import Plugin from "./plugin.js";
import * as fake from "./sdk/js/src/fake.js";

test("namespaces are greeted", () => {
  const cluster = new fake.Cluster({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  new Plugin().reconcile(cluster, "shop");
  assert.deepEqual(cluster.events.map((event) => event.message), ["hello, shop"]);
  new Plugin().reconcile(cluster, "gone");
  assert.equal(cluster.events.length, 1);
});
