// Package export_orch_scheduler_queue is the component's side of `orch:scheduler/queue`.
package export_orch_scheduler_queue

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/scheduler"
)

func Rank(pod string) types.Result[int64, string] {
	rank, err := scheduler.Exported().(scheduler.Queue).Rank(pod)
	if err != nil {
		return types.Err[int64, string](err.Error())
	}
	return types.Ok[int64, string](rank)
}
