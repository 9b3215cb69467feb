// Takes part at every extension point but the score: one pod to a node, whoever has the priority.
#include "orch.h"
#include "scheduler_full.h"

#include <string.h>

#define MOST 64

typedef scheduler_full_string_t text;

static struct {
  char *uid; // NULL: nothing is here
  uint32_t node;
} pods[MOST];
static int held;

static char *owned(text string) { return orch_format("%.*s", (int)string.len, (char *)string.ptr); }

static int64_t priority(text *pod) {
  int64_t priority = orch_integer(orch_at(ORCH_TEXT(*pod), "spec", "priority", NULL), 0);
  scheduler_full_string_free(pod);
  return priority;
}

static void gone(const char *uid) {
  for (int i = 0; i < MOST; i++)
    if (pods[i].uid && !strcmp(pods[i].uid, uid)) {
      free(pods[i].uid);
      pods[i].uid = NULL;
    }
}

static void placed(const char *uid, uint32_t node) {
  gone(uid);
  int i = 0;
  while (i < MOST && pods[i].uid) i++;
  if (i == MOST) abort();
  pods[i].uid = strdup(uid);
  pods[i].node = node;
}

static bool is_taken(uint32_t node) {
  for (int i = 0; i < MOST; i++)
    if (pods[i].uid && pods[i].node == node) return true;
  return false;
}

void exports_orch_scheduler_policy_describe(exports_orch_scheduler_policy_description_t *ret) {
  *ret = (exports_orch_scheduler_policy_description_t){
      .points = EXPORTS_ORCH_SCHEDULER_POLICY_POINTS_FILTER | EXPORTS_ORCH_SCHEDULER_POLICY_POINTS_QUEUE |
                EXPORTS_ORCH_SCHEDULER_POLICY_POINTS_PREEMPTION | EXPORTS_ORCH_SCHEDULER_POLICY_POINTS_RESERVE |
                EXPORTS_ORCH_SCHEDULER_POLICY_POINTS_PERMIT | EXPORTS_ORCH_SCHEDULER_POLICY_POINTS_PRE_BIND,
      .weight = 1,
  };
  ORCH_STRINGS(ret->pod, "spec.priority", "metadata.uid");
  ORCH_LIST(ret->interests, 2);
  ORCH_READS(ret->interests.ptr[0], "v1", "Node", "metadata.name");
  ORCH_READS(ret->interests.ptr[1], "v1", "Pod", "metadata.name");
}

bool exports_orch_scheduler_policy_configure(text *config, text *err) {
  scheduler_full_string_free(config);
  return true;
}

bool exports_orch_scheduler_policy_sync(exports_orch_scheduler_policy_list_delta_t *deltas, text *err) {
  for (size_t i = 0; i < deltas->len; i++) {
    exports_orch_scheduler_policy_delta_t *delta = &deltas->ptr[i];
    if (delta->tag == EXPORTS_ORCH_SCHEDULER_POLICY_DELTA_POD_UPSERT) {
      char *uid = owned(delta->val.pod_upsert.f0);
      placed(uid, delta->val.pod_upsert.f1);
      free(uid);
    } else if (delta->tag == EXPORTS_ORCH_SCHEDULER_POLICY_DELTA_POD_REMOVE) {
      char *uid = owned(delta->val.pod_remove);
      gone(uid);
      free(uid);
    }
  }
  exports_orch_scheduler_policy_list_delta_free(deltas);
  return true;
}

bool exports_orch_scheduler_filter_filter(text *pod, scheduler_full_list_u64_t *nodes,
                                          exports_orch_scheduler_filter_verdict_t *ret, text *err) {
  ret->tag = EXPORTS_ORCH_SCHEDULER_FILTER_VERDICT_NODES;
  ORCH_LIST(ret->val.nodes, 1);
  ORCH_SET(ret->val.nodes.ptr->reason, "node(s) were taken");
  ORCH_LIST(ret->val.nodes.ptr->nodes, nodes->len);
  for (ORCH_EACH(node, nodes->ptr, nodes->len))
    if (is_taken(node)) orch_add(ret->val.nodes.ptr->nodes.ptr, node);
  scheduler_full_string_free(pod);
  scheduler_full_list_u64_free(nodes);
  return true;
}

bool exports_orch_scheduler_queue_rank(text *pod, int64_t *ret, text *err) {
  *ret = priority(pod);
  return true;
}

bool exports_orch_scheduler_preemption_propose(text *pod, scheduler_full_list_u64_t *nodes,
                                               exports_orch_scheduler_preemption_plan_t *ret, text *err) {
  if (priority(pod) == 0) {
    ret->tag = EXPORTS_ORCH_SCHEDULER_PREEMPTION_PLAN_NOT_ELIGIBLE;
    ORCH_SET(ret->val.not_eligible, "not eligible without a priority.");
  } else {
    ret->tag = EXPORTS_ORCH_SCHEDULER_PREEMPTION_PLAN_PROPOSALS;
    ORCH_LIST(ret->val.proposals, MOST);
    ret->val.proposals.len = 0;
    for (ORCH_EACH(node, nodes->ptr, nodes->len))
      for (int i = 0; i < MOST; i++)
        if (pods[i].uid && pods[i].node == node) {
          exports_orch_scheduler_preemption_proposal_t *one = &ret->val.proposals.ptr[ret->val.proposals.len++];
          one->node = node;
          ORCH_STRINGS(one->victims, pods[i].uid);
        }
  }
  scheduler_full_list_u64_free(nodes);
  return true;
}

bool exports_orch_scheduler_preemption_choose(text *pod,
                                              exports_orch_scheduler_preemption_list_candidate_t *candidates,
                                              scheduler_full_option_u32_t *ret, text *err) {
  ret->is_some = candidates->len > 0;
  ret->val = (uint32_t)candidates->len - 1;
  scheduler_full_string_free(pod);
  exports_orch_scheduler_preemption_list_candidate_free(candidates);
  return true;
}

bool exports_orch_scheduler_reserve_reserve(text *pod, uint32_t node, text *err) {
  scheduler_full_string_free(pod);
  if (++held == 1) return true;
  ORCH_SET(*err, "one is on its way already");
  return false;
}

bool exports_orch_scheduler_reserve_unreserve(text *pod, uint32_t node, text *err) {
  scheduler_full_string_free(pod);
  held--;
  return true;
}

bool exports_orch_scheduler_permit_permit(text *pod, uint32_t node,
                                          exports_orch_scheduler_permit_permission_t *ret, text *err) {
  switch (priority(pod)) {
  case 1:
    ret->tag = EXPORTS_ORCH_SCHEDULER_PERMIT_PERMISSION_WAIT;
    ret->val.wait = 500;
    break;
  case 2:
    ret->tag = EXPORTS_ORCH_SCHEDULER_PERMIT_PERMISSION_REJECT;
    ORCH_SET(ret->val.reject, "not today");
    break;
  default:
    ret->tag = EXPORTS_ORCH_SCHEDULER_PERMIT_PERMISSION_ALLOW;
  }
  return true;
}

bool exports_orch_scheduler_pre_bind_pre_bind(text *pod, uint32_t node,
                                              exports_orch_scheduler_pre_bind_advice_t *ret, text *err) {
  scheduler_full_string_free(pod);
  *ret = (exports_orch_scheduler_pre_bind_advice_t){.ready = false, .timeout_ms = 700};
  ORCH_LIST(ret->patches, 1);
  ORCH_SET(ret->patches.ptr->api_version, "v1");
  ORCH_SET(ret->patches.ptr->kind, "ConfigMap");
  ORCH_SET(ret->patches.ptr->namespace_, "default");
  ORCH_SET(ret->patches.ptr->name, "placed");
  ret->patches.ptr->patch_type = EXPORTS_ORCH_SCHEDULER_PRE_BIND_PATCH_TYPE_MERGE;
  char *body = orch_format("{\"data\": {\"node\": \"%u\"}}", node);
  ORCH_SET(ret->patches.ptr->body, body);
  free(body);
  return true;
}
