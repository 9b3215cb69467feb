// Package cni is for network drivers: they decide addresses and routes, the host carries them out.
package cni

import "orch.dev/sdk/internal/exported"

// Driver connects pods. What it has given away is resident: after a restart the host calls Restore.
type Driver interface {
	Configure(settings Settings) error
	// Restore tells what is attached already, before the first Add.
	Restore(attachments []Attachment) error
	// Add connects a sandbox; for one connected before it returns the same attachment.
	Add(sandbox Sandbox, pod Pod) (Attachment, error)
	// Del disconnects; no error when there is nothing.
	Del(sandbox Sandbox, attachment Attachment) error
}

// Settings are what the node tells its driver.
type Settings struct {
	PodCIDRs []string `json:"podCIDRs"`
	// MTU 0 is the kernel's.
	MTU    uint32         `json:"mtu"`
	Config map[string]any `json:"config"`
}

type Pod struct{ SandboxID, Namespace, Name, UID string }

type Attachment struct {
	SandboxID string
	// IPs without prefix length, the primary one first.
	IPs           []string
	NodeInterface string
}

type Side uint8

const (
	InSandbox Side = iota
	OnNode
)

// Route without a Gateway has link scope.
type Route struct{ Destination, Gateway string }

// Sandbox is the network of one pod. Doing a thing again is no error.
type Sandbox interface {
	AddVeth(nodeName, sandboxName string, mtu uint32) error
	RemoveVeth(nodeName string) error
	AddAddress(side Side, cidr string) error
	AddRoute(side Side, route Route) error
	// AddNeighbour is permanent, with the link address of the pair's node end.
	AddNeighbour(ip string) error
	// SetSysctl sets `ipv4/proxy_arp` and the like.
	SetSysctl(side Side, key, value string) error
}

var slot = exported.Slot[Driver]{World: "cni", Word: "driver"}

// Export makes this driver the plugin. Call it from init.
func Export(driver Driver) { slot.Set(driver) }

// Exported is what the component calls.
func Exported() Driver { return slot.Get() }
