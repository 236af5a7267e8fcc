package benchmarks

import (
	"fmt"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/bytedance/gopkg/util/gopool"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

// queue is the number of tasks that may wait in the pools that can bound it.
const queue = 1024

func poolWorkloads() []Workload {
	var workloads []Workload
	for _, producers := range []int{1, 8} {
		for _, b := range Bodies("0", "100ns", "1us", "10us") {
			workloads = append(workloads, poolGo(producers, 0, b))
		}
	}
	return append(workloads,
		poolGo(1, 1000, body("0")),
		poolGo(1, 100, body("sleep1ms")),
		poolLatency(), poolBatch(), poolSubmit())
}

// aPool is a pool that is running.
type aPool struct {
	submit func(f func())
	wait   func() // returns when everything submitted has ended
	stop   func()
}

// A maker makes a pool with so many workers.
type maker struct {
	name string
	make func(workers int) aPool
}

// pools are those that are fed one task at a time by Go or Submit. The ones that
// cannot be waited for without stopping them are waited for at a barrier.
func pools() []maker {
	return append([]maker{
		{"pond", func(workers int) aPool { return pondPool(pond.NewPool(workers), workers) }},
		{"pond-queue", func(workers int) aPool {
			return pondPool(pond.NewPool(workers, pond.WithQueueSize(queue)), workers)
		}},
		{"ants", func(workers int) aPool {
			p, err := ants.NewPool(workers)
			if err != nil {
				panic(err)
			}
			submit := func(f func()) { _ = p.Submit(f) }
			return aPool{submit, func() { barrier(workers, submit) }, p.Release}
		}},
		{"workerpool", func(workers int) aPool {
			p := workerpool.New(workers)
			return aPool{p.Submit, func() { barrier(workers, p.Submit) }, p.StopWait}
		}},
		{"gopool", func(workers int) aPool {
			p := gopool.NewPool("", int32(workers), gopool.NewConfig())
			return aPool{p.Go, func() { barrier(workers, p.Go) }, func() {}}
		}},
		{"channel", func(workers int) aPool {
			tasks := make(chan func(), queue)
			for range workers {
				go func() {
					for f := range tasks {
						f()
					}
				}()
			}
			submit := func(f func()) { tasks <- f }
			return aPool{submit, func() { barrier(workers, submit) }, func() { close(tasks) }}
		}},
	}, coteriePools()...)
}

func pondPool(p pond.Pool, workers int) aPool {
	submit := func(f func()) { _ = p.Go(f) }
	return aPool{submit, func() { barrier(workers, submit) }, p.StopAndWait}
}

// barrier submits as many tasks as there are workers, each of which waits for
// all the others. Once they have met, everything that was submitted before has
// ended.
func barrier(workers int, submit func(f func())) {
	var here sync.WaitGroup
	here.Add(workers)
	open := make(chan struct{})
	for range workers {
		submit(func() {
			here.Done()
			<-open
		})
	}
	here.Wait()
	close(open)
}

// groupsWithLimit are owners that run as many tasks at once as there are workers.
func groupsWithLimit() []maker {
	return []maker{
		{"x-sync", func(workers int) aPool {
			var g errgroup.Group
			g.SetLimit(workers)
			return aPool{
				func(f func()) { g.Go(func() error { f(); return nil }) },
				func() { _ = g.Wait() },
				func() {},
			}
		}},
		{"conc", func(workers int) aPool {
			p := pool.New().WithMaxGoroutines(workers)
			return aPool{p.Go, p.Wait, func() {}}
		}},
	}
}

// poolGo is one task that is handed to a pool by one of several producers and
// run. There are as many workers as processors where workers is 0.
func poolGo(producers, workers int, b Body) Workload {
	var peers []Peer
	for _, m := range append(pools(), groupsWithLimit()...) {
		peers = append(peers, Peer{m.name, func(ps int) Op {
			w := workers
			if w == 0 {
				w = ps
			}
			if m.name == "conc" { // cannot be used again after Wait
				return Op{Run: func(n int) {
					p := m.make(w)
					produce(producers, n, p.submit, b.Do)
					p.wait()
				}}
			}
			p := m.make(w)
			return Op{
				Run: func(n int) {
					produce(producers, n, p.submit, b.Do)
					p.wait()
				},
				Stop: p.stop,
			}
		}})
	}
	name := fmt.Sprintf("pool/go/producers=%d/body=%s", producers, b.Name)
	if workers > 0 {
		name += fmt.Sprintf("/workers=%d", workers)
	}
	return Workload{
		Name:       name,
		Unit:       1,
		Peers:      append(peers, bodyLimit(b, 1, max(workers, 1))...),
		Memory:     true,
		MemoryRuns: memoryRuns(b),
	}
}

func memoryRuns(b Body) int {
	switch b.Name {
	case "0", "100ns":
		return 100_000
	case "1us":
		return 50_000
	}
	return 5000
}

func produce(producers, n int, submit func(f func()), f func()) {
	if producers == 1 {
		for range n {
			submit(f)
		}
		return
	}
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for range (n + p) / producers {
				submit(f)
			}
		})
	}
	wg.Wait()
}

// poolLatency is one task submitted to an idle pool and awaited.
func poolLatency() Workload {
	var peers []Peer
	for _, m := range pools() {
		peers = append(peers, Peer{m.name, func(ps int) Op {
			p := m.make(ps)
			return Op{
				Run: func(n int) {
					for range n {
						done := make(chan struct{})
						p.submit(func() { close(done) })
						<-done
					}
				},
				Stop: p.stop,
			}
		}})
	}
	return Workload{Name: "pool/latency", Unit: 1, Peers: peers}
}

// poolBatch is a thousand empty tasks that are owned, and awaited, as a part of
// the work on a pool; "coterie-go" is the same without an owner.
func poolBatch() Workload {
	const tasks = 1000
	peers := []Peer{
		{"pond", func(ps int) Op {
			p := pond.NewPool(ps)
			return Op{
				Run: func(n int) {
					for range n {
						g := p.NewGroup()
						for range tasks {
							g.Submit(func() {})
						}
						_ = g.Wait()
					}
				},
				Stop: p.StopAndWait,
			}
		}},
	}
	return Workload{Name: "pool/batch/tasks=1000", Unit: tasks, Peers: append(peers, coterieBatch(tasks)...)}
}

// poolSubmit is a thousand tasks whose results are awaited one after another.
func poolSubmit() Workload {
	const tasks = 1000
	peers := []Peer{
		{"pond", func(ps int) Op {
			p := pond.NewResultPool[int](ps)
			results := make([]pond.ResultTask[int], tasks)
			return Op{
				Run: func(n int) {
					for range n {
						for i := range results {
							results[i] = p.SubmitErr(func() (int, error) { return 1, nil })
						}
						for _, r := range results {
							_, _ = r.Wait()
						}
					}
				},
				Stop: p.StopAndWait,
			}
		}},
	}
	return Workload{Name: "pool/submit/tasks=1000", Unit: tasks, Peers: append(peers, coterieSubmit(tasks)...)}
}
