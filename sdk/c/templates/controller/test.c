#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "controller.h"
#include "orch.h"

static char greeting[64];

// The host's functions, played by the test: there is one namespace, shop.
bool orch_controller_api_get(controller_string_t *api_version, controller_string_t *kind,
                             controller_string_t *namespace, controller_string_t *name, bool live,
                             controller_option_string_t *ret, orch_controller_api_api_error_t *err) {
  ret->is_some = name->len == 4 && !memcmp(name->ptr, "shop", 4);
  if (ret->is_some) ORCH_SET(ret->val, "{\"metadata\": {\"name\": \"shop\"}}");
  return true;
}

void orch_controller_api_event(controller_string_t *regarding, controller_string_t *event_type,
                               controller_string_t *reason, controller_string_t *message) {
  assert(message->len < sizeof greeting);
  memcpy(greeting, message->ptr, message->len);
}

static bool reconcile(const char *name) {
  controller_string_t key, error;
  exports_orch_controller_reconciler_outcome_t outcome;
  ORCH_SET(key, name);
  return exports_orch_controller_reconciler_reconcile(&key, &outcome, &error);
}

int main(void) {
  assert(reconcile("gone") && !*greeting);
  assert(reconcile("shop") && !strcmp(greeting, "hello, shop"));
  return 0;
}
