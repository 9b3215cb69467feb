// Package admission is for admission checks: a request is let through, changed or refused before it
// is stored.
package admission

import (
	"encoding/json"

	"orch.dev/sdk/internal/exported"
	"orch.dev/sdk/objects"
)

// Check is an admission check. Embed Base for the functions that are not needed.
type Check interface {
	Describe() Description
	// Configure takes spec.config as JSON; an error refuses the plugin and names the field.
	Configure(config string) error
	// Changed brings an object of interest, current at every Review.
	Changed(object string) error
	Gone(identity string) error
	// Review returns a *Denial to refuse; any other error is a refusal with status 500.
	Review(request Request) (Admitted, error)
}

// Relevance is a Check that says which requests matter to it. It needs `witWorld: admission-relevance` in
// orch-plugin.yaml.
type Relevance interface {
	// Conditions spare other requests the call; asked after each Configure.
	Conditions() []Condition
}

// Condition is what a request must be to matter: all that is said must hold. Resources of the rules that
// no condition names always matter; of several that name one, one must hold.
type Condition struct {
	Resources []string
	// Groups: whoever asks is in one of these.
	Groups []string
	// NamespaceLabels: the namespace has a label with one of these keys; `example.com/*`: that begins so.
	NamespaceLabels []string
}

// View is a Check that says what it reads of a request. It needs `witWorld: admission-view` in orch-plugin.yaml.
type View interface {
	// Reads: nothing else is sent, and requests that are alike as far as they are read may get one answer;
	// asked after each Configure.
	Reads() []Reading
}

// Reading is what is read of requests: of several that name a resource all count; what none names is sent
// whole.
type Reading struct {
	// Resources as in a Rule.
	Resources []string
	// Fields are paths in the AdmissionRequest: `namespace`, `object.spec.containers[*].image`. Its kind,
	// resource, subResource and operation are always there. What a patch adds to must be named.
	Fields []string
}

// Base keeps nothing.
type Base struct{}

func (Base) Configure(string) error { return nil }
func (Base) Changed(string) error   { return nil }
func (Base) Gone(string) error      { return nil }

// Operation is what a request does.
type Operation uint8

const (
	Create Operation = iota
	Update
	Delete
	Connect
)

// Rule says which requests are worth a call. `*` matches all.
type Rule struct {
	Operations []Operation
	APIGroups  []string
	// Resources are plurals; `pods/status` is a sub-resource.
	Resources []string
}

type Description struct {
	Rules     []Rule
	Interests []objects.Interest
	// Mutates: the check may return a patch.
	Mutates bool
}

// Request is `admission.k8s.io/v1` AdmissionRequest.
type Request struct {
	UID         string          `json:"uid"`
	Operation   string          `json:"operation"`
	Name        string          `json:"name"`
	Namespace   string          `json:"namespace"`
	SubResource string          `json:"subResource"`
	Object      json.RawMessage `json:"object"`
	OldObject   json.RawMessage `json:"oldObject"`
	DryRun      bool            `json:"dryRun"`
	UserInfo    struct {
		Username string   `json:"username"`
		Groups   []string `json:"groups"`
	} `json:"userInfo"`
}

// Admitted lets a request through.
type Admitted struct {
	// Patch is RFC 6902 on the object, or empty.
	Patch    string
	Warnings []string
}

// Denial is the Status that the client gets.
type Denial struct {
	Code    uint16
	Reason  string
	Message string
}

func (d *Denial) Error() string { return d.Message }

// Forbidden is a denial with status 403.
func Forbidden(message string) *Denial { return &Denial{403, "Forbidden", message} }

var slot = exported.Slot[Check]{World: "admission", Word: "check"}

// Export makes this check the plugin. Call it from init.
func Export(check Check) { slot.Set(check) }

// Exported is what the component calls.
func Exported() Check { return slot.Get() }
