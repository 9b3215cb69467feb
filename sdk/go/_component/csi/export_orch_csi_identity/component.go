// Package export_orch_csi_identity is the component's side of `orch:csi/identity`.
package export_orch_csi_identity

import (
	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/csi"
	"wit_component/lent"
	. "wit_component/orch_csi_identity"
)

func Describe() Description {
	from := csi.Exported().Describe()
	return Description{
		Name: from.Name, Version: from.Version,
		Capabilities: uint16(from.Capabilities), TopologyKeys: from.TopologyKeys,
	}
}

func Configure(config string) types.Result[types.Unit, string] {
	if err := csi.Exported().Configure(config); err != nil {
		return types.Err[types.Unit, string](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}

func Probe() types.Result[bool, Error] { return lent.Answer(csi.Exported().Probe()) }
