// Greets each namespace once, with an Event.
#include "controller.h"
#include "orch.h"

void exports_orch_controller_reconciler_describe(exports_orch_controller_reconciler_description_t *ret) {
  *ret = (exports_orch_controller_reconciler_description_t){.concurrency = 1};
  ORCH_LIST(ret->watches, 1);
  ORCH_READS(ret->watches.ptr[0].interest, "v1", "Namespace", "metadata.name");
  ret->watches.ptr[0].keys.tag = EXPORTS_ORCH_CONTROLLER_RECONCILER_MAPPING_ITSELF;
}

bool exports_orch_controller_reconciler_configure(controller_string_t *config, controller_string_t *err) {
  controller_string_free(config);
  return true;
}

// Asked for `custom` watches alone, of which there are none.
void exports_orch_controller_reconciler_keys(uint32_t watch, exports_orch_controller_reconciler_change_t change,
                                             controller_string_t *object, controller_string_t *before,
                                             controller_list_string_t *ret) {
  controller_string_free(object);
  if (before) controller_string_free(before);
  ORCH_LIST(*ret, 0);
}

// What an import is given stays ours: literals need no copy.
static controller_string_t literal(char *text) {
  controller_string_t string;
  controller_string_set(&string, text);
  return string;
}

static void greet(controller_string_t *namespace, controller_string_t *key) {
  controller_string_t type = literal("Normal"), reason = literal("Greeted");
  char *greeting = orch_format("hello, %.*s", (int)key->len, (char *)key->ptr);
  controller_string_t message = literal(greeting);
  orch_controller_api_event(namespace, &type, &reason, &message);
  free(greeting);
}

bool exports_orch_controller_reconciler_reconcile(controller_string_t *key,
                                                  exports_orch_controller_reconciler_outcome_t *ret,
                                                  controller_string_t *err) {
  controller_string_t version = literal("v1"), kind = literal("Namespace"), none = literal("");
  controller_option_string_t found;
  orch_controller_api_api_error_t error;
  bool ok = orch_controller_api_get(&version, &kind, &none, key, false, &found, &error);
  if (ok && found.is_some) {
    greet(&found.val, key);
    controller_string_free(&found.val);
  }
  controller_string_free(key);
  ret->requeue_after_ms.is_some = false;
  if (!ok) {
    *err = error.message;
    controller_string_free(&error.reason);
  }
  return ok;
}
