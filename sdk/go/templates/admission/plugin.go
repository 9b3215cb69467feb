// Package plugin refuses namespaces that name no owner.
package plugin

import (
	"orch.dev/sdk/admission"
	"orch.dev/sdk/objects"
)

const ownerLabel = "example.com/owner"

type {{Pascal}} struct{ admission.Base }

func init() { admission.Export({{Pascal}}{}) }

func ({{Pascal}}) Describe() admission.Description {
	return admission.Description{Rules: []admission.Rule{{
		Operations: []admission.Operation{admission.Create, admission.Update},
		APIGroups:  []string{""},
		Resources:  []string{"namespaces"},
	}}}
}

func ({{Pascal}}) Review(request admission.Request) (admission.Admitted, error) {
	namespace, err := objects.ParseObject(string(request.Object))
	if err != nil {
		return admission.Admitted{}, err
	}
	if _, owned := namespace.Metadata.Labels[ownerLabel]; !owned {
		return admission.Admitted{}, admission.Forbidden("a namespace needs the label " + ownerLabel)
	}
	return admission.Admitted{}, nil
}
