// Package export_orch_scheduler_filter is the component's side of `orch:scheduler/filter`.
package export_orch_scheduler_filter

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/scheduler"
	. "wit_component/orch_scheduler_filter"
)

func Filter(pod string, nodes []uint64) types.Result[Verdict, string] {
	verdict, err := scheduler.Exported().Filter(pod, nodes)
	if err != nil {
		return types.Err[Verdict, string](err.Error())
	}
	if verdict.Pod != "" {
		return types.Ok[Verdict, string](MakeVerdictPod(verdict.Pod))
	}
	rejections := make([]Rejection, 0, len(verdict.Rejections))
	for _, rejection := range verdict.Rejections {
		rejections = append(rejections, Rejection{rejection.Reason, rejection.Nodes, rejection.Unresolvable})
	}
	return types.Ok[Verdict, string](MakeVerdictNodes(rejections))
}
