// Refuses namespaces that name no owner.
import { Check, Denied } from "./sdk/js/src/admission.js";

export const OWNER = "example.com/owner";

export default class {{Pascal}} extends Check {
  describe() {
    return { rules: [{ operations: ["CREATE", "UPDATE"], resources: ["namespaces"] }] };
  }

  review(request) {
    if (request.label(OWNER) === undefined) throw new Denied(`a namespace needs the label ${OWNER}`);
  }
}
