// Package controller is for controllers: what they watch, and what they do about a key.
package controller

import (
	"fmt"
	"time"

	"orch.dev/sdk/internal/exported"
	"orch.dev/sdk/objects"
)

// Controller brings the world nearer to what the API asks for. Embed Base for the functions that are
// not needed.
type Controller interface {
	Describe() Description
	// Configure takes spec.config as JSON; an error refuses the plugin and names the field.
	Configure(config string) error
	// Keys is asked for watches with CustomKeys: which keys a change of the object wakes.
	Keys(watch uint32, change Change, object string, before *string) []string
	// Reconcile is retried with back-off after an error.
	Reconcile(api API, key string) (Outcome, error)
}

// Base takes any configuration.
type Base struct{}

func (Base) Configure(string) error                        { return nil }
func (Base) Keys(uint32, Change, string, *string) []string { return nil }

type Change uint8

const (
	Added Change = iota
	Modified
	Deleted
)

// Watch is a kind whose changes wake keys: the object's own key unless one of the others is set.
type Watch struct {
	objects.Interest
	// Owner, when set, wakes the controlling owner of this kind.
	Owner      string
	CustomKeys bool
}

type Description struct {
	Watches []Watch
	// Concurrency is how many keys may be reconciled at once; 0 means 1.
	Concurrency uint32
	// Metrics is what is said of the controller's own beforehand; any may be left out.
	Metrics []Metric
}

type MetricKind uint8

const (
	Counter MetricKind = iota
	Gauge
	Histogram
)

// Metric is one of the controller's own: see API.Count, API.Gauge and API.Observe.
type Metric struct {
	Name string
	Kind MetricKind
	Help string
	// Buckets are the upper bounds of a histogram's; none: for durations in seconds.
	Buckets []float64
}

// Labels are those of a sample, by name.
type Labels map[string]string

// Outcome says when to reconcile the key again though nothing changed; 0: not.
type Outcome struct{ RequeueAfter time.Duration }

// APIError is Kubernetes' Status in short.
type APIError struct {
	Code    uint16
	Reason  string
	Message string
}

func (e *APIError) Error() string { return fmt.Sprintf("%s (%d): %s", e.Reason, e.Code, e.Message) }

type PatchType uint8

const (
	JSONPatch PatchType = iota
	MergePatch
	StrategicPatch
	Apply
)

// API is Kubernetes' as the plugin's own service account sees it. Objects are JSON; errors of the
// API are *APIError.
type API interface {
	// Get returns "" when there is no such object. `live` reads past the cache.
	Get(apiVersion, kind, namespace, name string, live bool) (string, error)
	List(apiVersion, kind, namespace, labelSelector, fieldSelector string) ([]string, error)
	Create(object string) (string, error)
	Update(object, subresource string) (string, error)
	Patch(apiVersion, kind, namespace, name, subresource string, patchType PatchType, body string) (string, error)
	// Delete takes DeleteOptions as JSON, or "".
	Delete(apiVersion, kind, namespace, name, options string) error
	DeleteCollection(apiVersion, kind, namespace, options string) error
	// Dependents returns the metadata of objects whose owners include this uid.
	Dependents(ownerUID string) ([]string, error)
	// Event records an Event about an object; eventType is Normal or Warning.
	Event(regarding, eventType, reason, message string)
	// Count adds to a counter of the plugin's own: plugin_METRIC_total on the host's /metrics, with the
	// plugin's name and these labels. The host drops what cannot be taken and says why in the plugin's
	// log: see the interface `metrics` of orch:controller.
	Count(metric string, labels Labels, by float64)
	// Gauge sets plugin_METRIC.
	Gauge(metric string, labels Labels, value float64)
	// Observe adds a value to a histogram: plugin_METRIC_bucket, …_sum and …_count.
	Observe(metric string, labels Labels, value float64)
	// Forget takes out the samples with just these labels: what they are about is gone.
	Forget(metric string, labels Labels)
	Now() time.Time
}

var slot = exported.Slot[Controller]{World: "controller", Word: "controller"}

// Export makes this controller the plugin. Call it from init.
func Export(controller Controller) { slot.Set(controller) }

// Exported is what the component calls.
func Exported() Controller { return slot.Get() }
