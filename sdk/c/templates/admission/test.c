#undef NDEBUG
#include <assert.h>

#include "admission.h"
#include "orch.h"

static exports_orch_admission_check_admitted_t admitted;
static exports_orch_admission_check_denial_t denial;

static bool review(const char *content) {
  admission_string_t request;
  ORCH_SET(request, content);
  return exports_orch_admission_check_review(&request, &admitted, &denial);
}

int main(void) {
  assert(review("{\"object\": {\"metadata\": {\"labels\": {\"example.com/owner\": \"me\"}}}}"));
  assert(!review("{\"object\": {\"metadata\": {\"name\": \"a\"}}}"));
  assert(denial.code == 403);
  return 0;
}
