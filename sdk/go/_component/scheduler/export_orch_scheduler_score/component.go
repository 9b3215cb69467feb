// Package export_orch_scheduler_score is the component's side of `orch:scheduler/score`.
package export_orch_scheduler_score

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/scheduler"
)

func Score(pod string, nodes []uint64) types.Result[[]uint32, string] {
	scores, err := scheduler.Exported().Score(pod, nodes)
	if err != nil {
		return types.Err[[]uint32, string](err.Error())
	}
	return types.Ok[[]uint32, string](scores)
}
