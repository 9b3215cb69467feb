// Package plugin greets each namespace once, with an Event.
package plugin

import (
	"orch.dev/sdk/controller"
	"orch.dev/sdk/objects"
)

type {{Pascal}} struct{ controller.Base }

func init() { controller.Export({{Pascal}}{}) }

func ({{Pascal}}) Describe() controller.Description {
	namespaces := controller.Watch{Interest: objects.Reads("v1", "Namespace", "metadata.name")}
	return controller.Description{Watches: []controller.Watch{namespaces}}
}

func ({{Pascal}}) Reconcile(api controller.API, key string) (controller.Outcome, error) {
	namespace, err := api.Get("v1", "Namespace", "", key, false)
	if err == nil && namespace != "" {
		api.Event(namespace, "Normal", "Greeted", "hello, "+key)
	}
	return controller.Outcome{}, err
}
