// What a policy of the world `scheduler-full` leaves out. What the plugin defines itself takes the place
// of these; the host calls none whose extension point `description.points` does not name.
#if __has_include("scheduler_full.h")
#include "orch.h"
#include "scheduler_full.h"

typedef scheduler_full_string_t text;

#define LEFT_OUT(name, ...)                                                                   \
  __attribute__((weak)) bool exports_orch_scheduler_##name(text *pod, __VA_ARGS__, text *err) { \
    ORCH_SET(*err, "the policy has no " #name);                                               \
    return false;                                                                             \
  }

LEFT_OUT(filter_filter, scheduler_full_list_u64_t *nodes, exports_orch_scheduler_filter_verdict_t *ret)
LEFT_OUT(score_score, scheduler_full_list_u64_t *nodes, scheduler_full_list_u32_t *ret)
LEFT_OUT(queue_rank, int64_t *ret)
LEFT_OUT(preemption_propose, scheduler_full_list_u64_t *nodes, exports_orch_scheduler_preemption_plan_t *ret)
LEFT_OUT(preemption_choose, exports_orch_scheduler_preemption_list_candidate_t *candidates,
         scheduler_full_option_u32_t *ret)
LEFT_OUT(reserve_reserve, uint32_t node)
LEFT_OUT(reserve_unreserve, uint32_t node)
LEFT_OUT(permit_permit, uint32_t node, exports_orch_scheduler_permit_permission_t *ret)
LEFT_OUT(pre_bind_pre_bind, uint32_t node, exports_orch_scheduler_pre_bind_advice_t *ret)
#endif
