package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

func errgroupWorkloads() []Workload {
	workloads := []Workload{errgroupOne(), errgroupCollect(1000), errgroupPrint(1000)}
	for _, b := range Bodies("0", "1us") {
		workloads = append(workloads, errgroupFanOut(1000, b), errgroupLimit(100_000, b))
	}
	return workloads
}

func errgroupFanOut(tasks int, b Body) Workload {
	task := func() error { b.Do(); return nil }
	peers := []Peer{
		repeat("x-sync", func() {
			var g errgroup.Group
			for range tasks {
				g.Go(task)
			}
			_ = g.Wait()
		}),
		repeat("conc", func() {
			g := pool.New().WithErrors()
			for range tasks {
				g.Go(task)
			}
			_ = g.Wait()
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("errgroup/fanout/tasks=%d/body=%s", tasks, b.Name),
		Unit:   tasks,
		Peers:  append(append(peers, coterieErrFanOut(tasks, task)...), bodyLimit(b, tasks, tasks)...),
		Memory: true,
	}
}

// errgroupOne is the whole of a group with a context and one task.
func errgroupOne() Workload {
	ctx := context.Background()
	task := func() error { return nil }
	peers := []Peer{
		repeat("x-sync", func() {
			g, _ := errgroup.WithContext(ctx)
			g.Go(task)
			_ = g.Wait()
		}),
		repeat("conc", func() {
			g := pool.New().WithContext(ctx)
			g.Go(func(context.Context) error { return nil })
			_ = g.Wait()
		}),
	}
	return Workload{Name: "errgroup/with-context/tasks=1", Unit: 1, Peers: append(peers, coterieErrOne(task)...)}
}

// errgroupLimit runs as many tasks at once as there are processors.
func errgroupLimit(tasks int, b Body) Workload {
	task := func() error { b.Do(); return nil }
	peers := []Peer{
		repeat("x-sync", func() {
			var g errgroup.Group
			g.SetLimit(runtime.GOMAXPROCS(0))
			for range tasks {
				g.Go(task)
			}
			_ = g.Wait()
		}),
		repeat("conc", func() {
			g := pool.New().WithErrors().WithMaxGoroutines(runtime.GOMAXPROCS(0))
			for range tasks {
				g.Go(task)
			}
			_ = g.Wait()
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("errgroup/limit/tasks=%d/body=%s", tasks, b.Name),
		Unit:   tasks,
		Peers:  append(append(peers, coterieErrLimit(tasks, task)...), bodyLimit(b, tasks, tasks)...),
		Memory: true,
	}
}

var errTask = errors.New("this task has failed")

// errgroupCollect runs tasks that all fail and keeps every error.
func errgroupCollect(tasks int) Workload {
	task := func() error { return errTask }
	peers := []Peer{
		repeat("x-sync", func() { _ = collectByHand(tasks, task) }),
		repeat("conc", func() {
			g := pool.New().WithErrors()
			for range tasks {
				g.Go(task)
			}
			_ = g.Wait()
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("errgroup/collect/tasks=%d", tasks),
		Unit:   tasks,
		Peers:  append(peers, coterieErrCollect(tasks, task)...),
		Memory: true,
	}
}

// collectByHand is what is written where the group keeps the first error only.
func collectByHand(tasks int, task func() error) error {
	var (
		g    errgroup.Group
		mu   sync.Mutex
		errs []error
	)
	for range tasks {
		g.Go(func() error {
			if err := task(); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

// errgroupPrint prints what errgroupCollect has collected.
func errgroupPrint(errs int) Workload {
	fail := func() error { return errTask }
	printer := func(name string, collect func() error) Peer {
		return Peer{name, func(int) Op {
			err := collect()
			return Op{Run: func(n int) {
				for range n {
					_, _ = io.WriteString(io.Discard, err.Error())
				}
			}}
		}}
	}
	peers := []Peer{printer("x-sync", func() error { return collectByHand(errs, fail) })}
	return Workload{
		Name:  fmt.Sprintf("errgroup/print/errors=%d", errs),
		Unit:  errs,
		Peers: append(peers, coterieErrPrint(errs, fail, printer)...),
	}
}
