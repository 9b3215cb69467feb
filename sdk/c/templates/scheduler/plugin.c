// Ranks nodes by the label `example.com/rank`, and keeps pods off those that have none.
#include "orch.h"
#include "scheduler.h"

#define RANK "example.com/rank"
#define NONE -1

static int64_t *ranks;
static uint32_t count;

static int64_t rank_of(uint32_t node) { return node < count ? ranks[node] : NONE; }

static void set_rank(uint32_t node, int64_t rank) {
  if (node >= count) {
    ranks = realloc(ranks, (node + 1) * sizeof *ranks);
    if (!ranks) abort();
    while (count <= node) ranks[count++] = NONE;
  }
  ranks[node] = rank;
}

void exports_orch_scheduler_policy_describe(exports_orch_scheduler_policy_description_t *ret) {
  *ret = (exports_orch_scheduler_policy_description_t){
      .points = EXPORTS_ORCH_SCHEDULER_POLICY_POINTS_FILTER | EXPORTS_ORCH_SCHEDULER_POLICY_POINTS_SCORE,
      .filter_scope = EXPORTS_ORCH_SCHEDULER_POLICY_SCOPE_NODE,
      .score_scope = EXPORTS_ORCH_SCHEDULER_POLICY_SCOPE_NODE,
      .normalization = EXPORTS_ORCH_SCHEDULER_POLICY_NORMALIZATION_HIGHEST,
      .weight = 1,
  };
  ORCH_STRINGS(ret->pod, "metadata.namespace");
  ORCH_LIST(ret->interests, 1);
  ORCH_READS(ret->interests.ptr[0], "v1", "Node", "metadata.labels");
}

bool exports_orch_scheduler_policy_configure(scheduler_string_t *config, scheduler_string_t *err) {
  scheduler_string_free(config);
  return true;
}

bool exports_orch_scheduler_policy_sync(exports_orch_scheduler_policy_list_delta_t *deltas,
                                        scheduler_string_t *err) {
  for (size_t i = 0; i < deltas->len; i++) {
    exports_orch_scheduler_policy_delta_t *delta = &deltas->ptr[i];
    if (delta->tag == EXPORTS_ORCH_SCHEDULER_POLICY_DELTA_NODE_UPSERT) {
      orch_text node = ORCH_TEXT(delta->val.node_upsert.f1);
      orch_text rank = orch_at(node, "metadata", "labels", RANK, NULL);
      set_rank(delta->val.node_upsert.f0, orch_integer(rank, NONE));
    } else if (delta->tag == EXPORTS_ORCH_SCHEDULER_POLICY_DELTA_NODE_REMOVE) {
      set_rank(delta->val.node_remove, NONE);
    }
  }
  exports_orch_scheduler_policy_list_delta_free(deltas);
  return true;
}

bool exports_orch_scheduler_filter_filter(scheduler_string_t *pod, scheduler_list_u64_t *nodes,
                                          exports_orch_scheduler_filter_verdict_t *ret,
                                          scheduler_string_t *err) {
  ret->tag = EXPORTS_ORCH_SCHEDULER_FILTER_VERDICT_NODES;
  ORCH_LIST(ret->val.nodes, 1);
  exports_orch_scheduler_filter_rejection_t *unranked = ret->val.nodes.ptr;
  ORCH_SET(unranked->reason, "node(s) had no label " RANK);
  ORCH_LIST(unranked->nodes, nodes->len);
  unranked->unresolvable = true;
  for (ORCH_EACH(node, nodes->ptr, nodes->len))
    if (rank_of(node) == NONE) orch_add(unranked->nodes.ptr, node);
  scheduler_string_free(pod);
  scheduler_list_u64_free(nodes);
  return true;
}

bool exports_orch_scheduler_score_score(scheduler_string_t *pod, scheduler_list_u64_t *nodes,
                                        scheduler_list_u32_t *ret, scheduler_string_t *err) {
  ORCH_LIST(*ret, orch_count(nodes->ptr, nodes->len));
  uint32_t *score = ret->ptr;
  for (ORCH_EACH(node, nodes->ptr, nodes->len))
    *score++ = rank_of(node) == NONE ? 0 : (uint32_t)rank_of(node);
  scheduler_string_free(pod);
  scheduler_list_u64_free(nodes);
  return true;
}
