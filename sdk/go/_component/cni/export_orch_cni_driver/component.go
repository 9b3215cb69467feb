// Package export_orch_cni_driver is the component's side of `orch:cni`.
package export_orch_cni_driver

import (
	"encoding/json"
	"errors"

	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/cni"
	. "wit_component/orch_cni_driver"
	"wit_component/orch_cni_network"
)

type answer = types.Result[types.Unit, string]

func of(err error) answer {
	if err != nil {
		return types.Err[types.Unit, string](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}

func Configure(text string) answer {
	var settings cni.Settings
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return of(err)
	}
	return of(cni.Exported().Configure(settings))
}

func Restore(attachments []Attachment) answer {
	known := make([]cni.Attachment, 0, len(attachments))
	for _, attachment := range attachments {
		known = append(known, cni.Attachment{
			SandboxID: attachment.SandboxId, IPs: attachment.Ips, NodeInterface: attachment.NodeInterface,
		})
	}
	return of(cni.Exported().Restore(known))
}

// A borrowed sandbox is given back at the end of the call.
func Add(borrowed *Sandbox, pod Pod) types.Result[Attachment, string] {
	defer borrowed.Drop()
	attachment, err := cni.Exported().Add(sandbox{borrowed}, cni.Pod{
		SandboxID: pod.SandboxId, Namespace: pod.Namespace, Name: pod.Name, UID: pod.Uid,
	})
	if err != nil {
		return types.Err[Attachment, string](err.Error())
	}
	return types.Ok[Attachment, string](Attachment{attachment.SandboxID, attachment.IPs, attachment.NodeInterface})
}

func Del(borrowed *Sandbox, attachment Attachment) answer {
	defer borrowed.Drop()
	return of(cni.Exported().Del(sandbox{borrowed}, cni.Attachment{
		SandboxID: attachment.SandboxId, IPs: attachment.Ips, NodeInterface: attachment.NodeInterface,
	}))
}

// The network as the host gives it.
type sandbox struct{ host *Sandbox }

func unwrap(result answer) error {
	if result.IsErr() {
		return errors.New(result.Err())
	}
	return nil
}

func (s sandbox) AddVeth(node, inside string, mtu uint32) error {
	return unwrap(s.host.AddVeth(node, inside, mtu))
}
func (s sandbox) RemoveVeth(node string) error { return unwrap(s.host.RemoveVeth(node)) }
func (s sandbox) AddAddress(side cni.Side, cidr string) error {
	return unwrap(s.host.AddAddress(uint8(side), cidr))
}
func (s sandbox) AddRoute(side cni.Side, route cni.Route) error {
	gateway := types.None[string]()
	if route.Gateway != "" {
		gateway = types.Some(route.Gateway)
	}
	to := orch_cni_network.Route{Destination: route.Destination, Gateway: gateway, LinkScope: route.Gateway == ""}
	return unwrap(s.host.AddRoute(uint8(side), to))
}
func (s sandbox) AddNeighbour(ip string) error { return unwrap(s.host.AddNeighbour(ip)) }
func (s sandbox) SetSysctl(side cni.Side, key, value string) error {
	return unwrap(s.host.SetSysctl(uint8(side), key, value))
}
