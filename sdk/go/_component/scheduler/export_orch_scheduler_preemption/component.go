// Package export_orch_scheduler_preemption is the component's side of `orch:scheduler/preemption`.
package export_orch_scheduler_preemption

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/scheduler"
	. "wit_component/orch_scheduler_preemption"
)

func Propose(pod string, nodes []uint64) types.Result[Plan, string] {
	plan, err := scheduler.Exported().(scheduler.Preemption).Propose(pod, nodes)
	if err != nil {
		return types.Err[Plan, string](err.Error())
	}
	if plan.NotEligible != "" {
		return types.Ok[Plan, string](MakePlanNotEligible(plan.NotEligible))
	}
	proposals := make([]Proposal, 0, len(plan.Proposals))
	for _, proposal := range plan.Proposals {
		proposals = append(proposals, Proposal(proposal))
	}
	return types.Ok[Plan, string](MakePlanProposals(proposals))
}

func Choose(pod string, candidates []Candidate) types.Result[types.Option[uint32], string] {
	evictions := make([]scheduler.Eviction, 0, len(candidates))
	for _, candidate := range candidates {
		evictions = append(evictions, scheduler.Eviction(candidate))
	}
	chosen, err := scheduler.Exported().(scheduler.Preemption).Choose(pod, evictions)
	if err != nil {
		return types.Err[types.Option[uint32], string](err.Error())
	}
	if chosen < 0 {
		return types.Ok[types.Option[uint32], string](types.None[uint32]())
	}
	return types.Ok[types.Option[uint32], string](types.Some(uint32(chosen)))
}
