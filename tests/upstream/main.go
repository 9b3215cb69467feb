// Upstream's control plane in one program, for comparison: `upstream etcd|kube-apiserver|kube-scheduler FLAGS`.
// Each is the published command itself, not a part of it, so that a load that is played through the
// API meets the same code as in a real cluster. `upstream fields` and
// `upstream schemas` print facts about the API's types.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: upstream etcd|kube-apiserver|kube-scheduler FLAGS")
		os.Exit(2)
	}
	name := os.Args[1]
	os.Args = append([]string{name}, os.Args[2:]...)
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "fields":
		printFields(false)
	case "schemas":
		printSchemas()
	case "types":
		printFields(true)
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	default:
		fmt.Fprintf(os.Stderr, "upstream: %q is none of etcd, kube-apiserver, kube-scheduler\n", name)
		os.Exit(2)
	}
}
