package plugin

import (
	"testing"

	"orch.dev/sdk/cni"
)

// A sandbox in which all that is asked for works.
type fake struct{}

func (fake) AddVeth(string, string, uint32) error     { return nil }
func (fake) RemoveVeth(string) error                  { return nil }
func (fake) AddAddress(cni.Side, string) error        { return nil }
func (fake) AddRoute(cni.Side, cni.Route) error       { return nil }
func (fake) AddNeighbour(string) error                { return nil }
func (fake) SetSysctl(cni.Side, string, string) error { return nil }

func TestAddressesAreGivenAndTakenBack(t *testing.T) {
	driver := &{{Pascal}}{attached: map[string]cni.Attachment{}}
	if err := driver.Configure(cni.Settings{PodCIDRs: []string{"10.244.3.0/30"}}); err != nil {
		t.Fatal(err)
	}
	add := func(id string) (cni.Attachment, error) { return driver.Add(fake{}, cni.Pod{SandboxID: id}) }
	first, _ := add("a")
	second, _ := add("b")
	if first.IPs[0] != "10.244.3.1" || second.IPs[0] != "10.244.3.2" {
		t.Fatal(first, second)
	}
	if _, err := add("c"); err == nil {
		t.Fatal("the range holds two")
	}
	if err := driver.Del(fake{}, first); err != nil {
		t.Fatal(err)
	}
	if third, err := add("c"); err != nil || third.IPs[0] != first.IPs[0] {
		t.Fatal(third, err)
	}
}
