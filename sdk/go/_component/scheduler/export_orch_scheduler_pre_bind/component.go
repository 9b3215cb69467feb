// Package export_orch_scheduler_pre_bind is the component's side of `orch:scheduler/pre-bind`.
package export_orch_scheduler_pre_bind

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/scheduler"
	wit "wit_component/orch_scheduler_pre_bind"
)

func PreBind(pod string, node uint32) types.Result[wit.Advice, string] {
	advice, err := scheduler.Exported().(scheduler.PreBind).PreBind(pod, node)
	if err != nil {
		return types.Err[wit.Advice, string](err.Error())
	}
	patches := make([]wit.Patch, 0, len(advice.Patches))
	for _, patch := range advice.Patches {
		patches = append(patches, wit.Patch{
			ApiVersion: patch.APIVersion, Kind: patch.Kind, Namespace: patch.Namespace, Name: patch.Name,
			Subresource: patch.Subresource, PatchType: uint8(patch.Type), Body: patch.Body,
		})
	}
	ready := advice.Wait == 0
	return types.Ok[wit.Advice, string](wit.Advice{Patches: patches, Ready: ready, TimeoutMs: advice.Wait})
}
