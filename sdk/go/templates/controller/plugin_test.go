package plugin

import (
	"slices"
	"testing"

	"orch.dev/sdk/controller"
)

// An API with the namespace shop; whatever else is called panics.
type fake struct {
	controller.API
	events []string
}

func (f *fake) Get(_, _, _, name string, _ bool) (string, error) {
	if name == "shop" {
		return `{"metadata": {"name": "shop"}}`, nil
	}
	return "", nil
}

func (f *fake) Event(_, _, _, message string) { f.events = append(f.events, message) }

func TestNamespacesAreGreeted(t *testing.T) {
	api := &fake{}
	for _, key := range []string{"shop", "gone"} {
		if _, err := ({{Pascal}}{}).Reconcile(api, key); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(api.events, []string{"hello, shop"}) {
		t.Fatal(api.events)
	}
}
