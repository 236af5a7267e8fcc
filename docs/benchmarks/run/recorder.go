package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
)

// A recorder writes measurements in the standard benchmark format, each at once.
type recorder struct {
	w      *benchfmt.Writer
	config []benchfmt.Config
}

func newRecorder(w io.Writer) *recorder {
	rec := &recorder{w: benchfmt.NewWriter(w)}
	set := func(key, value string) {
		rec.config = append(rec.config, benchfmt.Config{Key: key, Value: []byte(value), File: true})
	}
	set("goos", runtime.GOOS)
	set("goarch", runtime.GOARCH)
	if cpu := processorName(); cpu != "" {
		set("cpu", cpu)
	}
	set("cpus", fmt.Sprint(runtime.NumCPU()))
	set("go", runtime.Version())
	set("date", time.Now().UTC().Format(time.DateOnly))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if isPeer(dep.Path) {
				set(strings.ReplaceAll(dep.Path, "/", "-"), dep.Version)
			}
		}
	}
	return rec
}

// isPeer tells the modules that are measured from those that measure.
func isPeer(module string) bool {
	for _, prefix := range []string{
		"golang.org/x/sync", "github.com/sourcegraph/conc", "github.com/panjf2000/ants", "github.com/alitto/pond",
		"github.com/gammazero/workerpool", "github.com/bytedance/gopkg", "github.com/samber/lo",
	} {
		if strings.HasPrefix(module, prefix) {
			return true
		}
	}
	return false
}

func (rec *recorder) record(m measurement) error {
	j := m.job
	name := j.workload.Name + "/peer=" + j.peer.Name
	if j.ps > 1 {
		name += fmt.Sprint("-", j.ps)
	}
	result := &benchfmt.Result{
		Config: rec.config,
		Name:   benchfmt.Name(strings.ToUpper(name[:1]) + name[1:]),
		Iters:  m.n,
	}
	if m.peak > 0 {
		result.Values = []benchfmt.Value{{Value: m.peak, Unit: "peak-B"}}
	} else {
		result.Values = []benchfmt.Value{
			{Value: m.ns * 1e-9, Unit: "sec/op", OrigValue: round(m.ns), OrigUnit: "ns/op"},
			{Value: round(m.bytes), Unit: "B/op"},
			{Value: round(m.allocs), Unit: "allocs/op"},
			{Value: round(100 * m.waited), Unit: "waited-%"},
		}
	}
	return rec.w.Write(result)
}

// round leaves what a reader can use.
func round(v float64) float64 {
	var r float64
	_, _ = fmt.Sscan(fmt.Sprintf("%.5g", v), &r)
	return r
}

// processorName returns the model of the processor where the system tells it.
func processorName() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
