// Greets each namespace once, with an Event.
import { Controller, splitKey } from "./sdk/js/src/controller.js";

const NAMESPACE = { apiVersion: "v1", kind: "Namespace" };

export default class {{Pascal}} extends Controller {
  describe() {
    return { watches: [{ ...NAMESPACE, fields: ["metadata.name"] }] };
  }

  reconcile(api, key) {
    const [, name] = splitKey(key);
    const namespace = api.get(NAMESPACE, "", name);
    if (namespace) api.event(namespace, "Normal", "Greeted", `hello, ${name}`);
  }
}
