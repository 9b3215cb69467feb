// Package plugin gives each pod the lowest free address of the node's range, routed to a veth of its own.
package plugin

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"orch.dev/sdk/cni"
)

// Answered for by the node's end of every veth.
const gateway = "169.254.1.1"

type {{Pascal}} struct {
	cidr     netip.Prefix
	mtu      uint32
	attached map[string]cni.Attachment
}

func init() { cni.Export(&{{Pascal}}{attached: map[string]cni.Attachment{}}) }

func (d *{{Pascal}}) Configure(settings cni.Settings) error {
	if len(settings.PodCIDRs) == 0 {
		return errors.New("podCIDRs: the node has none yet")
	}
	cidr, err := netip.ParsePrefix(settings.PodCIDRs[0])
	if err != nil || !cidr.Addr().Is4() {
		return fmt.Errorf("podCIDRs: %s is no IPv4 range", settings.PodCIDRs[0])
	}
	d.cidr, d.mtu = cidr.Masked(), settings.MTU
	return nil
}

func (d *{{Pascal}}) Restore(attachments []cni.Attachment) error {
	for _, known := range attachments {
		d.attached[known.SandboxID] = known
	}
	return nil
}

func (d *{{Pascal}}) Add(sandbox cni.Sandbox, pod cni.Pod) (cni.Attachment, error) {
	if known, ok := d.attached[pod.SandboxID]; ok {
		return known, nil
	}
	ip, err := d.free()
	if err != nil {
		return cni.Attachment{}, err
	}
	// The kernel's limit for a name is 15 bytes.
	name := "v" + strings.ReplaceAll(ip, ".", "")
	if err := d.connect(sandbox, name, ip); err != nil {
		return cni.Attachment{}, err
	}
	d.attached[pod.SandboxID] = cni.Attachment{SandboxID: pod.SandboxID, IPs: []string{ip}, NodeInterface: name}
	return d.attached[pod.SandboxID], nil
}

func (d *{{Pascal}}) Del(sandbox cni.Sandbox, attachment cni.Attachment) error {
	if err := sandbox.RemoveVeth(attachment.NodeInterface); err != nil {
		return err
	}
	delete(d.attached, attachment.SandboxID)
	return nil
}

// The range's first address is the network's and its last is the broadcast's.
func (d *{{Pascal}}) free() (string, error) {
	taken := map[string]bool{}
	for _, attachment := range d.attached {
		taken[attachment.IPs[0]] = true
	}
	for ip := d.cidr.Addr().Next(); d.cidr.Contains(ip.Next()); ip = ip.Next() {
		if !taken[ip.String()] {
			return ip.String(), nil
		}
	}
	return "", errors.New("no address is left in the node's range")
}

func (d *{{Pascal}}) connect(sandbox cni.Sandbox, name, ip string) error {
	steps := []func() error{
		func() error { return sandbox.AddVeth(name, "eth0", d.mtu) },
		func() error { return sandbox.SetSysctl(cni.OnNode, "ipv4/proxy_arp", "1") },
		func() error { return sandbox.AddAddress(cni.OnNode, gateway+"/32") },
		func() error { return sandbox.AddAddress(cni.InSandbox, ip+"/32") },
		func() error { return sandbox.AddNeighbour(gateway) },
		func() error { return sandbox.AddRoute(cni.InSandbox, cni.Route{Destination: gateway + "/32"}) },
		func() error {
			return sandbox.AddRoute(cni.InSandbox, cni.Route{Destination: "0.0.0.0/0", Gateway: gateway})
		},
		func() error { return sandbox.AddRoute(cni.OnNode, cni.Route{Destination: ip + "/32"}) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
