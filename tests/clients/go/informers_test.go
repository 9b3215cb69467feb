package clients

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Three kinds of informers over the same objects: typed in protobuf (with a streamed first list),
// dynamic in JSON, metadata alone in protobuf.
func TestInformers(t *testing.T) {
	namespace := namespace(t, "informers")
	maps := typed(t).CoreV1().ConfigMaps(namespace)
	for n := range 20 {
		_, err := maps.Create(t.Context(), &core.ConfigMap{
			ObjectMeta: meta.ObjectMeta{Name: fmt.Sprintf("before-%d", n)}, Data: map[string]string{"n": fmt.Sprint(n)},
		}, meta.CreateOptions{})
		must(t, err)
	}
	resource := core.SchemeGroupVersion.WithResource("configmaps")
	factory := informers.NewSharedInformerFactoryWithOptions(typed(t), 0, informers.WithNamespace(namespace))
	dynamicFactory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(untyped(t), 0, namespace, nil)
	metadataClient, err := metadata.NewForConfig(config(t, runtime.ContentTypeProtobuf))
	must(t, err)
	metadataFactory := metadatainformer.NewFilteredSharedInformerFactory(metadataClient, 0, namespace, nil)
	all := map[string]cache.SharedIndexInformer{
		"typed":    factory.Core().V1().ConfigMaps().Informer(),
		"dynamic":  dynamicFactory.ForResource(resource).Informer(),
		"metadata": metadataFactory.ForResource(resource).Informer(),
	}
	seen := make(chan string, 1000)
	for name, informer := range all {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			UpdateFunc: func(_, object any) { seen <- name + " updated " + nameOf(object) },
			DeleteFunc: func(object any) { seen <- name + " deleted " + nameOf(object) },
		})
		must(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	factory.Start(ctx.Done())
	dynamicFactory.Start(ctx.Done())
	metadataFactory.Start(ctx.Done())
	for name, informer := range all {
		if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			t.Fatalf("the %s informer does not sync", name)
		}
		if n := len(informer.GetStore().ListKeys()); n < 20 {
			t.Fatalf("the %s informer has %d objects", name, n)
		}
	}
	_, err = maps.Patch(ctx, "before-7", "application/merge-patch+json", []byte(`{"data":{"n":"x"}}`), meta.PatchOptions{})
	must(t, err)
	must(t, maps.Delete(ctx, "before-8", meta.DeleteOptions{}))
	wanted := map[string]bool{}
	for name := range all {
		wanted[name+" updated before-7"], wanted[name+" deleted before-8"] = true, true
	}
	for len(wanted) > 0 {
		select {
		case event := <-seen:
			delete(wanted, event)
		case <-ctx.Done():
			t.Fatalf("not seen: %v", wanted)
		}
	}
	object, there, err := all["dynamic"].GetStore().GetByKey(namespace + "/before-7")
	must(t, err)
	value, _, _ := unstructured.NestedString(object.(*unstructured.Unstructured).Object, "data", "n")
	if !there || value != "x" {
		t.Fatalf("the dynamic informer has %v", object)
	}
}

func nameOf(object any) string {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	return object.(meta.Object).GetName()
}

// One of two candidates leads; when it ends the other does.
func TestLeaderElection(t *testing.T) {
	namespace := namespace(t, "leaders")
	led := make(chan string, 2)
	candidate := func(ctx context.Context, name string) {
		lock := &resourcelock.LeaseLock{
			LeaseMeta:  meta.ObjectMeta{Name: "leader", Namespace: namespace},
			Client:     typed(t).CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		}
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, ReleaseOnCancel: true,
			LeaseDuration: 4 * time.Second, RenewDeadline: 3 * time.Second, RetryPeriod: 200 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) { led <- name; <-ctx.Done() },
				OnStoppedLeading: func() {},
			},
		})
	}
	next := func() string {
		select {
		case name := <-led:
			return name
		case <-time.After(patience):
			t.Fatal("nobody leads")
			return ""
		}
	}
	first, endFirst := context.WithCancel(t.Context())
	second, endSecond := context.WithCancel(t.Context())
	defer endSecond()
	ended := make(chan struct{})
	go func() { candidate(first, "first"); close(ended) }()
	if name := next(); name != "first" {
		t.Fatalf("%s leads", name)
	}
	go candidate(second, "second")
	endFirst()
	<-ended
	if name := next(); name != "second" {
		t.Fatalf("%s leads", name)
	}
	eventually(t, "the lease names its holder", func(ctx context.Context) error {
		lease, err := typed(t).CoordinationV1().Leases(namespace).Get(ctx, "leader", meta.GetOptions{})
		if err != nil {
			return err
		}
		return holds(lease, "second")
	})
}

func holds(lease *coordination.Lease, name string) error {
	holder := lease.Spec.HolderIdentity
	if holder == nil || *holder != name || lease.Spec.LeaseTransitions == nil || *lease.Spec.LeaseTransitions < 1 {
		return errors.New(text(lease.Spec))
	}
	return nil
}
