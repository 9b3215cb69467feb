#undef NDEBUG
#include <assert.h>

#include "orch.h"
#include "scheduler.h"

// Arguments are the callee's to free, so each is a copy.
static scheduler_string_t text(const char *content) {
  scheduler_string_t string;
  ORCH_SET(string, content);
  return string;
}

static scheduler_list_u64_t nodes(uint64_t word) {
  scheduler_list_u64_t set;
  ORCH_LIST(set, 1);
  set.ptr[0] = word;
  return set;
}

static void node(uint32_t index, const char *json) {
  exports_orch_scheduler_policy_list_delta_t deltas;
  ORCH_LIST(deltas, 1);
  deltas.ptr[0].tag = EXPORTS_ORCH_SCHEDULER_POLICY_DELTA_NODE_UPSERT;
  deltas.ptr[0].val.node_upsert.f0 = index;
  deltas.ptr[0].val.node_upsert.f1 = text(json);
  scheduler_string_t error;
  assert(exports_orch_scheduler_policy_sync(&deltas, &error));
}

int main(void) {
  node(0, "{\"metadata\": {\"labels\": {\"example.com/rank\": \"1\"}}}");
  node(1, "{\"metadata\": {\"labels\": {}}}");
  node(2, "{\"metadata\": {\"labels\": {\"a\": \"b\", \"example.com/rank\": \"7\"}}}");
  scheduler_string_t pod = text("{}"), error;
  scheduler_list_u64_t all = nodes(7);
  exports_orch_scheduler_filter_verdict_t verdict;
  assert(exports_orch_scheduler_filter_filter(&pod, &all, &verdict, &error));
  assert(verdict.val.nodes.ptr[0].nodes.ptr[0] == 2);
  pod = text("{}");
  scheduler_list_u64_t ranked = nodes(5);
  scheduler_list_u32_t scores;
  assert(exports_orch_scheduler_score_score(&pod, &ranked, &scores, &error));
  assert(scores.len == 2 && scores.ptr[0] == 1 && scores.ptr[1] == 7);
  return 0;
}
