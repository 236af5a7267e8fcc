package benchmarks

import "fmt"

// A Metric is what is compared.
type Metric string

const (
	Time   Metric = "ns/op"     // for one task, or item
	Allocs Metric = "allocs/op" // for one task, or item
	Peak   Metric = "peak-B"    // of a process that does the work
)

// A Target says how one of our peers has to compare with another: at most Max
// times what that one takes of Metric.
type Target struct {
	Workload string
	Peer     string // "coterie" or "coterie-…"
	Against  string // a peer, or "" to compare Metric itself with Max, which is for counts only
	Max      float64
	Metric   Metric
	Ps       int // 0: as many as there are
}

func (t Target) String() string {
	s := fmt.Sprintf("%s: %s of %s", t.Workload, t.Metric, t.Peer)
	if t.Against == "" {
		return fmt.Sprintf("%s at most %g", s, t.Max)
	}
	return fmt.Sprintf("%s at most %g of %s", s, t.Max, t.Against)
}

// noAllocs is the most of a count that is taken for none: once for the whole of
// a run, not for each task.
const noAllocs = 0.01

// Targets returns every target.
func Targets() []Target {
	var targets []Target
	for _, set := range [][]Target{
		{
			{Workload: "core/add-done", Against: Limit, Max: 1.1},
			{Workload: "core/add-done/goroutines=8", Against: "sync", Max: 1.0},
			{Workload: "core/wait-on-zero", Against: "sync", Max: 1.0},
			{Workload: "core/ping-pong", Against: "sync", Max: 1.2},
			{Workload: "core/fanout/tasks=1000", Against: "sync", Max: 1.03},
			{Workload: "core/semaphore", Against: Limit, Max: 1.4},
			{Workload: "core/semaphore", Max: noAllocs, Metric: Allocs},
			{Workload: "core/semaphore/goroutines=8/limit=2", Against: "x-sync", Max: 0.7},
			{Workload: "core/call", Max: noAllocs, Metric: Allocs},
		},
		{
			{Workload: "group/fanout/tasks=1/body=0", Against: Best, Max: 1.0},
			{Workload: "group/fanout/tasks=10/body=0", Against: Best, Max: 0.45},
			{Workload: "group/fanout/tasks=1000/body=0", Against: Best, Max: 0.1},
			{Workload: "group/fanout/tasks=1000/body=0", Peer: "coterie-reused", Against: Best, Max: 0.1},
			{Workload: "group/fanout/tasks=1000/body=0", Peer: "coterie-reused", Max: noAllocs, Metric: Allocs},
			{Workload: "group/fanout/tasks=1000/body=1us", Against: Limit, Max: 1.1},
			{Workload: "group/fanout/tasks=1000/body=10us", Against: Limit, Max: 1.02},
			{Workload: "group/fanout/tasks=1000/body=sleep1ms", Against: "sync", Max: 1.1},
			{Workload: "group/fanout/tasks=1000/body=sleep1ms", Against: "go", Max: 1.0, Metric: Peak},
			{Workload: "group/named/tasks=1000", Max: noAllocs, Metric: Allocs},
			{Workload: "group/named/tasks=1000", Peer: "coterie-owner", Max: 2 + 5*noAllocs, Metric: Allocs},
			{Workload: "group/burst/tasks=100000", Against: "sync", Max: 1.2},
			{Workload: "group/burst/tasks=100000", Against: "sync", Max: 1.2, Metric: Peak},
		},
		{
			{Workload: "errgroup/fanout/tasks=1000/body=0", Against: Best, Max: 0.1},
			{Workload: "errgroup/with-context/tasks=1", Against: "x-sync", Max: 1.1},
			{Workload: "errgroup/limit/tasks=100000/body=0", Against: Best, Max: 0.45},
			{Workload: "errgroup/limit/tasks=100000/body=1us", Against: Best, Max: 1.0},
			{Workload: "errgroup/limit/tasks=100000/body=1us", Against: Limit, Max: 1.6},
			{Workload: "errgroup/collect/tasks=1000", Against: "x-sync", Max: 0.3},
			{Workload: "errgroup/print/errors=1000", Against: "x-sync", Max: 1.0},
		},
		{
			{Workload: "pool/go/producers=1/body=0", Against: "channel", Max: 0.5},
			{Workload: "pool/go/producers=1/body=0", Max: noAllocs, Metric: Allocs},
			{Workload: "pool/go/producers=8/body=0", Against: "channel", Max: 0.7},
			{Workload: "pool/go/producers=1/body=100ns", Against: "channel", Max: 0.6},
			{Workload: "pool/go/producers=8/body=100ns", Against: "channel", Max: 0.7},
			{Workload: "pool/go/producers=1/body=1us", Against: Limit, Max: 1.08},
			{Workload: "pool/go/producers=1/body=0/workers=1000", Against: Best, Max: 1.0},
			{Workload: "pool/latency", Against: "channel", Max: 1.0},
			{Workload: "pool/batch/tasks=1000", Against: "coterie-go", Max: 1.5},
			{Workload: "pool/submit/tasks=1000", Against: "pond", Max: 0.2},
			{Workload: "pool/submit/tasks=1000", Max: 2 + noAllocs, Metric: Allocs},
		},
		{
			{Workload: "loop/for/n=1000000/body=trivial", Against: Limit, Max: 0.7},
			{Workload: "loop/for/n=1000000/body=trivial", Max: noAllocs, Metric: Allocs},
			{Workload: "loop/for/n=1000/body=trivial", Against: Limit, Max: 1.5},
			{Workload: "loop/for/n=1000/body=1us", Against: Limit, Max: 1.05},
			{Workload: "loop/for/n=10000/body=skewed", Against: "counter", Max: 1.05},
			{Workload: "loop/map-slice/n=1000000/body=trivial", Against: "conc", Max: 0.12},
			{Workload: "loop/map-slice/n=1000000/body=trivial", Max: noAllocs, Metric: Allocs},
			{Workload: "loop/map/n=100000/body=0", Against: "conc", Max: 0.06},
			{Workload: "loop/map/n=100000/body=0", Max: noAllocs, Metric: Allocs},
			{Workload: "loop/map/n=10000/body=1us", Against: Limit, Max: 1.1},
			{Workload: "loop/map/n=10000/body=1us", Max: noAllocs, Metric: Allocs},
		},
		{
			{Workload: "pipe/map-unordered/n=10000/body=0", Against: Best, Max: 1.0},
			{Workload: "pipe/map-unordered/n=10000/body=1us", Against: Best, Max: 1.0},
			{Workload: "pipe/stages/n=10000/body=0", Against: Best, Max: 1.0},
			{Workload: "pipe/stages/n=10000/body=1us", Against: Best, Max: 1.0},
			{Workload: "pipe/chunk/n=100000/size=100/wait=0s", Against: Best, Max: 1.0},
			{Workload: "pipe/chunk/n=100000/size=100/wait=1s", Against: Best, Max: 1.0},
			{Workload: "pipe/merge/n=100000/inputs=4", Against: Best, Max: 1.0},
			{Workload: "pipe/flat-map/n=10000/each=10/body=0", Against: Best, Max: 1.0},
			{Workload: "pipe/flat-map/n=10000/each=10/body=1us", Against: Best, Max: 1.0},
		},
	} {
		for _, t := range set {
			if t.Peer == "" {
				t.Peer = "coterie"
			}
			if t.Metric == "" {
				t.Metric = Time
			}
			targets = append(targets, t)
		}
	}
	return targets
}

// Best, as what a target is against, is the best peer that is not ours.
const Best = "best peer"
