// Package export_orch_scheduler_permit is the component's side of `orch:scheduler/permit`.
package export_orch_scheduler_permit

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/scheduler"
	wit "wit_component/orch_scheduler_permit"
)

func Permit(pod string, node uint32) types.Result[wit.Permission, string] {
	permission, err := scheduler.Exported().(scheduler.Permit).Permit(pod, node)
	switch {
	case err != nil:
		return types.Err[wit.Permission, string](err.Error())
	case permission.Rejected != "":
		return types.Ok[wit.Permission, string](wit.MakePermissionReject(permission.Rejected))
	case permission.Wait > 0:
		return types.Ok[wit.Permission, string](wit.MakePermissionWait(permission.Wait))
	}
	return types.Ok[wit.Permission, string](wit.MakePermissionAllow())
}
