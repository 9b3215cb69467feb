// Package export_orch_scheduler_reserve is the component's side of `orch:scheduler/reserve`.
package export_orch_scheduler_reserve

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/scheduler"
)

type answer = types.Result[types.Unit, string]

func of(err error) answer {
	if err != nil {
		return types.Err[types.Unit, string](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}

func Reserve(pod string, node uint32) answer {
	return of(scheduler.Exported().(scheduler.Reserve).Reserve(pod, node))
}

func Unreserve(pod string, node uint32) answer {
	return of(scheduler.Exported().(scheduler.Reserve).Unreserve(pod, node))
}
