// Package export_orch_controller_reconciler is the component's side of `orch:controller`.
package export_orch_controller_reconciler

import (
	"time"

	"go.bytecodealliance.org/pkg/wit/types"
	"orch.dev/sdk/controller"
	host "wit_component/orch_controller_api"
	metrics "wit_component/orch_controller_metrics"
	. "wit_component/orch_controller_reconciler"
)

func Describe() Description {
	from := controller.Exported().Describe()
	to := Description{Concurrency: from.Concurrency}
	for _, one := range from.Metrics {
		metrics.Declare(one.Name, metrics.Kind(one.Kind), one.Help, one.Buckets)
	}
	for _, watch := range from.Watches {
		interest := Interest{watch.APIVersion, watch.Kind, watch.Fields}
		to.Watches = append(to.Watches, Watch{interest, mapping(watch)})
	}
	return to
}

func mapping(watch controller.Watch) Mapping {
	switch {
	case watch.CustomKeys:
		return MakeMappingCustom()
	case watch.Owner != "":
		return MakeMappingControllerOwner(watch.Owner)
	}
	return MakeMappingItself()
}

func Configure(config string) types.Result[types.Unit, string] {
	if err := controller.Exported().Configure(config); err != nil {
		return types.Err[types.Unit, string](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}

func Keys(watch uint32, change Change, object string, before types.Option[string]) []string {
	var old *string
	if before.IsSome() {
		text := before.Some()
		old = &text
	}
	return controller.Exported().Keys(watch, controller.Change(change), object, old)
}

func Reconcile(key string) types.Result[Outcome, string] {
	outcome, err := controller.Exported().Reconcile(api{}, key)
	if err != nil {
		return types.Err[Outcome, string](err.Error())
	}
	again := types.None[uint64]()
	if outcome.RequeueAfter > 0 {
		again = types.Some(uint64(outcome.RequeueAfter.Milliseconds()))
	}
	return types.Ok[Outcome, string](Outcome{again})
}

// The API as the host gives it.
type api struct{}

func unwrap[T any](result types.Result[T, host.ApiError]) (T, error) {
	if result.IsErr() {
		var none T
		err := result.Err()
		return none, &controller.APIError{Code: err.Code, Reason: err.Reason, Message: err.Message}
	}
	return result.Ok(), nil
}

func (api) Get(apiVersion, kind, namespace, name string, live bool) (string, error) {
	found, err := unwrap(host.Get(apiVersion, kind, namespace, name, live))
	if err != nil {
		return "", err
	}
	return found.SomeOr(""), nil
}

func (api) List(apiVersion, kind, namespace, labels, fields string) ([]string, error) {
	return unwrap(host.List(apiVersion, kind, namespace, labels, fields))
}

func (api) Create(object string) (string, error) { return unwrap(host.Create(object)) }

func (api) Update(object, subresource string) (string, error) {
	return unwrap(host.Update(object, subresource))
}

func (api) Patch(
	apiVersion, kind, namespace, name, subresource string, patchType controller.PatchType, body string,
) (string, error) {
	return unwrap(host.Patch(apiVersion, kind, namespace, name, subresource, host.PatchType(patchType), body))
}

func (api) Delete(apiVersion, kind, namespace, name, options string) error {
	_, err := unwrap(host.Delete(apiVersion, kind, namespace, name, options))
	return err
}

func (api) DeleteCollection(apiVersion, kind, namespace, options string) error {
	_, err := unwrap(host.DeleteCollection(apiVersion, kind, namespace, options))
	return err
}

func (api) Dependents(uid string) ([]string, error) { return unwrap(host.Dependents(uid)) }

func (api) Event(regarding, eventType, reason, message string) {
	host.Event(regarding, eventType, reason, message)
}

func (api) Count(metric string, labels controller.Labels, by float64) {
	metrics.Add(metric, told(labels), by)
}

func (api) Gauge(metric string, labels controller.Labels, value float64) {
	metrics.Set(metric, told(labels), value)
}

func (api) Observe(metric string, labels controller.Labels, value float64) {
	metrics.Observe(metric, told(labels), value)
}

func (api) Forget(metric string, labels controller.Labels) { metrics.Forget(metric, told(labels)) }

func told(labels controller.Labels) []metrics.Label {
	var all []metrics.Label
	for name, value := range labels {
		all = append(all, metrics.Label{Name: name, Value: value})
	}
	return all
}

func (api) Now() time.Time { return time.UnixMilli(int64(host.Now())).UTC() }
