// Refuses namespaces that name no owner.
#include "admission.h"
#include "orch.h"

#define OWNER "example.com/owner"

void exports_orch_admission_check_describe(exports_orch_admission_check_description_t *ret) {
  *ret = (exports_orch_admission_check_description_t){.mutates = false};
  ORCH_LIST(ret->rules, 1);
  exports_orch_admission_check_rule_t *rule = ret->rules.ptr;
  ORCH_LIST(rule->operations, 2);
  rule->operations.ptr[0] = EXPORTS_ORCH_ADMISSION_CHECK_OPERATION_CREATE;
  rule->operations.ptr[1] = EXPORTS_ORCH_ADMISSION_CHECK_OPERATION_UPDATE;
  ORCH_STRINGS(rule->api_groups, "");
  ORCH_STRINGS(rule->resources, "namespaces");
}

bool exports_orch_admission_check_configure(admission_string_t *config, admission_string_t *err) {
  admission_string_free(config);
  return true;
}

bool exports_orch_admission_check_sync(exports_orch_admission_check_list_delta_t *deltas,
                                       admission_string_t *err) {
  exports_orch_admission_check_list_delta_free(deltas);
  return true;
}

bool exports_orch_admission_check_review(exports_orch_admission_check_request_t *request,
                                         exports_orch_admission_check_admitted_t *ret,
                                         exports_orch_admission_check_denial_t *err) {
  orch_text owner = orch_at(ORCH_TEXT(*request), "object", "metadata", "labels", OWNER, NULL);
  bool owned = owner.len > 0;
  admission_string_free(request);
  if (owned) {
    *ret = (exports_orch_admission_check_admitted_t){0};
    return true;
  }
  err->code = 403;
  ORCH_SET(err->reason, "Forbidden");
  ORCH_SET(err->message, "a namespace needs the label " OWNER);
  return false;
}
