// Package conformance is upstream's own end-to-end suite as a program: `go test -c` makes it, the
// driver `conformance` (tests/src/bin/conformance) starts a cluster and runs it there.
package conformance

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	conformancetestdata "k8s.io/kubernetes/test/conformance/testdata"
	"k8s.io/kubernetes/test/e2e"
	"k8s.io/kubernetes/test/e2e/framework"
	"k8s.io/kubernetes/test/e2e/framework/config"
	"k8s.io/kubernetes/test/e2e/framework/testfiles"
	manifests "k8s.io/kubernetes/test/e2e/testing-manifests"
	fixtures "k8s.io/kubernetes/test/fixtures"

	// The packages that hold conformance cases. Those without any (autoscaling, windows,
	// storage/csimock, storage/external) are left out.
	_ "k8s.io/kubernetes/test/e2e/apimachinery"
	_ "k8s.io/kubernetes/test/e2e/apps"
	_ "k8s.io/kubernetes/test/e2e/architecture"
	_ "k8s.io/kubernetes/test/e2e/auth"
	_ "k8s.io/kubernetes/test/e2e/common"
	_ "k8s.io/kubernetes/test/e2e/dra"
	_ "k8s.io/kubernetes/test/e2e/feature"
	_ "k8s.io/kubernetes/test/e2e/instrumentation"
	_ "k8s.io/kubernetes/test/e2e/kubectl"
	_ "k8s.io/kubernetes/test/e2e/network"
	_ "k8s.io/kubernetes/test/e2e/node"
	_ "k8s.io/kubernetes/test/e2e/scheduling"
	_ "k8s.io/kubernetes/test/e2e/storage"

	_ "k8s.io/kubernetes/test/e2e/framework/debug/init"
	_ "k8s.io/kubernetes/test/e2e/framework/metrics/init"
	_ "k8s.io/kubernetes/test/e2e/framework/node/init"
)

var (
	results   = flag.String("results", "", "Append a JSON line per case to this file.")
	caseLimit = flag.Duration("case-limit", 0, "Fail a case that takes longer than this; 0 leaves the suite's own limits.")
)

func TestMain(m *testing.M) {
	config.CopyFlags(config.Flags, flag.CommandLine)
	framework.RegisterCommonFlags(flag.CommandLine)
	framework.RegisterClusterFlags(flag.CommandLine)
	flag.Parse()
	testfiles.AddFileSource(manifests.GetE2ETestingManifestsFS())
	testfiles.AddFileSource(fixtures.GetTestFixturesFS())
	testfiles.AddFileSource(conformancetestdata.GetConformanceTestdataFS())
	framework.AfterReadingAllFlags(&framework.TestContext)
	// Not before: the call above goes over the tree once, and nodes outside of containers stay in
	// the tree that it throws away.
	if *results != "" {
		ginkgo.ReportAfterEach(write)
	}
	if *caseLimit > 0 {
		ginkgo.AddTreeConstructionNodeArgsTransformer(limited)
	}
	os.Exit(m.Run())
}

// TestE2E runs the cases that -ginkgo.focus chooses.
func TestE2E(t *testing.T) {
	e2e.RunE2ETests(t)
}

// limited gives every case that can be interrupted (its body takes a context) the time limit, but
// those that state one of their own.
func limited(kind types.NodeType, _ ginkgo.Offset, text string, args []any) (string, []any, []error) {
	if !kind.Is(types.NodeTypeIt) {
		return text, args, nil
	}
	interruptible := false
	context := reflect.TypeFor[context.Context]()
	for _, arg := range args {
		if _, states := arg.(ginkgo.SpecTimeout); states {
			return text, args, nil
		}
		body := reflect.TypeOf(arg)
		if body != nil && body.Kind() == reflect.Func && body.NumIn() == 1 && body.In(0).Implements(context) {
			interruptible = true
		}
	}
	if interruptible {
		args = append(args, ginkgo.SpecTimeout(*caseLimit))
	}
	return text, args, nil
}

// One line of -results.
type result struct {
	Name    string  `json:"name"`
	State   string  `json:"state"`
	Seconds float64 `json:"seconds"`
	Message string  `json:"message,omitempty"`
	Where   string  `json:"where,omitempty"`
}

func write(report ginkgo.SpecReport) {
	unchosen := report.State.Is(types.SpecStateSkipped) && report.Failure.Message == ""
	if unchosen {
		return
	}
	line, err := json.Marshal(result{
		Name:    report.FullText(),
		State:   report.State.String(),
		Seconds: time.Since(report.StartTime).Round(time.Millisecond).Seconds(),
		Message: report.Failure.Message,
		Where:   fmt.Sprintf("%s:%d", report.Failure.Location.FileName, report.Failure.Location.LineNumber),
	})
	framework.ExpectNoError(err, "a result as JSON")
	// Several processes append to the file: one write per line.
	file, err := os.OpenFile(*results, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	framework.ExpectNoError(err, "opening the results")
	defer file.Close()
	_, err = file.Write(append(line, '\n'))
	framework.ExpectNoError(err, "writing a result")
}
