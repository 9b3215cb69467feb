package clients

import (
	"context"
	"fmt"
	"testing"

	core "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "greetings.example.com/farewell"

var greetings = schema.GroupVersion{Group: "greetings.example.com", Version: "v1"}

// Greeting is a kind of our own: a reconciler keeps a ConfigMap with its text.
type Greeting struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata,omitempty"`

	Spec   GreetingSpec   `json:"spec,omitempty"`
	Status GreetingStatus `json:"status,omitempty"`
}

type GreetingSpec struct {
	Text string `json:"text"`
}

type GreetingStatus struct {
	Map                string `json:"map,omitempty"`
	ObservedGeneration int64  `json:"observedGeneration,omitempty"`
}

type GreetingList struct {
	meta.TypeMeta `json:",inline"`
	meta.ListMeta `json:"metadata,omitempty"`

	Items []Greeting `json:"items"`
}

func (g *Greeting) DeepCopyObject() runtime.Object {
	copied := *g
	g.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	return &copied
}

func (l *GreetingList) DeepCopyObject() runtime.Object {
	copied := *l
	copied.Items = make([]Greeting, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopyObject().(*Greeting)
	}
	return &copied
}

type reconciler struct{ client.Client }

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	greeting := &Greeting{}
	if err := r.Get(ctx, request.NamespacedName, greeting); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !greeting.DeletionTimestamp.IsZero() {
		controllerutil.RemoveFinalizer(greeting, finalizer)
		return ctrl.Result{}, client.IgnoreNotFound(r.Update(ctx, greeting))
	}
	if controllerutil.AddFinalizer(greeting, finalizer) {
		return ctrl.Result{}, r.Update(ctx, greeting)
	}
	text := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: greeting.Name, Namespace: greeting.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, text, func() error {
		text.Data = map[string]string{"text": greeting.Spec.Text}
		return controllerutil.SetControllerReference(greeting, text, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	greeting.Status = GreetingStatus{Map: text.Name, ObservedGeneration: greeting.Generation}
	return ctrl.Result{}, r.Status().Update(ctx, greeting)
}

// A controller-runtime manager, elected leader, with caches of a kind of its own and of ConfigMaps.
func TestControllerRuntime(t *testing.T) {
	log.SetLogger(zap.New())
	define(t)
	namespace := namespace(t, "greetings")
	types := runtime.NewScheme()
	must(t, scheme.AddToScheme(types))
	types.AddKnownTypes(greetings, &Greeting{}, &GreetingList{})
	meta.AddToGroupVersion(types, greetings)
	manager, err := ctrl.NewManager(config(t, ""), ctrl.Options{
		Scheme: types, Metrics: server.Options{BindAddress: "0"},
		Cache:          cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
		LeaderElection: true, LeaderElectionID: "greetings", LeaderElectionNamespace: namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	must(t, err)
	must(t, ctrl.NewControllerManagedBy(manager).For(&Greeting{}).Owns(&core.ConfigMap{}).
		Complete(&reconciler{manager.GetClient()}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	reader, err := client.New(config(t, ""), client.Options{Scheme: types})
	must(t, err)
	life(t, reader, namespace)
}

func life(t *testing.T, api client.Client, namespace string) {
	t.Helper()
	ctx := t.Context()
	greeting := &Greeting{
		ObjectMeta: meta.ObjectMeta{Name: "hello", Namespace: namespace}, Spec: GreetingSpec{Text: "hello"},
	}
	must(t, api.Create(ctx, greeting))
	key := client.ObjectKeyFromObject(greeting)
	says := func(text string) func(context.Context) error {
		return func(ctx context.Context) error {
			found := &core.ConfigMap{}
			if err := api.Get(ctx, key, found); err != nil {
				return err
			}
			if err := api.Get(ctx, key, greeting); err != nil {
				return err
			}
			if found.Data["text"] != text || greeting.Status.ObservedGeneration != greeting.Generation {
				return fmt.Errorf("%v, %+v of generation %d", found.Data, greeting.Status, greeting.Generation)
			}
			return nil
		}
	}
	eventually(t, "the greeting's map", says("hello"))
	patch := client.MergeFrom(greeting.DeepCopyObject().(*Greeting))
	greeting.Spec.Text = "good evening"
	must(t, api.Patch(ctx, greeting, patch))
	eventually(t, "the map follows", says("good evening"))
	must(t, api.Delete(ctx, &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "hello", Namespace: namespace}}))
	eventually(t, "the map comes back", says("good evening"))
	must(t, api.Delete(ctx, greeting))
	eventually(t, "both are gone", func(ctx context.Context) error {
		for _, object := range []client.Object{&Greeting{}, &core.ConfigMap{}} {
			if err := api.Get(ctx, key, object); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%T is there still (%v): %s", object, err, text(object))
			}
		}
		return nil
	})
}

func define(t *testing.T) {
	t.Helper()
	object := func(fields map[string]apiextensionsv1.JSONSchemaProps) apiextensionsv1.JSONSchemaProps {
		return apiextensionsv1.JSONSchemaProps{Type: "object", Properties: fields}
	}
	schema := object(map[string]apiextensionsv1.JSONSchemaProps{
		"spec":   object(map[string]apiextensionsv1.JSONSchemaProps{"text": {Type: "string"}}),
		"status": object(map[string]apiextensionsv1.JSONSchemaProps{"map": {Type: "string"}, "observedGeneration": {Type: "integer"}}),
	})
	client := definitions(t).ApiextensionsV1().CustomResourceDefinitions()
	definition := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: meta.ObjectMeta{Name: "greetings." + greetings.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: greetings.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "greetings", Singular: "greeting", Kind: "Greeting", ListKind: "GreetingList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &schema},
			}},
		},
	}
	_, err := client.Create(t.Context(), definition, meta.CreateOptions{})
	must(t, err)
	eventually(t, "the definition is established", func(ctx context.Context) error {
		found, err := client.Get(ctx, definition.Name, meta.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("%s", text(found.Status))
	})
}
