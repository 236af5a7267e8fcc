package benchmarks

import (
	"fmt"
	"sync"

	"github.com/sourcegraph/conc"
	"golang.org/x/sync/errgroup"
)

func groupWorkloads() []Workload {
	var workloads []Workload
	for _, tasks := range []int{1, 10, 100, 1000, 10_000, 100_000} {
		names := []string{"0"}
		switch tasks {
		case 10:
			names = append(names, "1us")
		case 1000:
			names = append(names, "100ns", "1us", "10us", "sleep1ms")
		}
		for _, b := range Bodies(names...) {
			workloads = append(workloads, groupFanOut(tasks, b))
		}
	}
	return append(workloads, groupBurst(100_000), groupNamed(1000))
}

// groupFanOut starts tasks tasks in a new owner and waits for all of them.
func groupFanOut(tasks int, b Body) Workload {
	f := b.Do
	peers := []Peer{
		repeat("go", func() {
			var wg sync.WaitGroup
			for range tasks {
				wg.Add(1)
				go func() {
					defer wg.Done()
					f()
				}()
			}
			wg.Wait()
		}),
		repeat("sync", func() {
			var wg sync.WaitGroup
			for range tasks {
				wg.Go(f)
			}
			wg.Wait()
		}),
		repeat("x-sync", func() {
			var g errgroup.Group
			task := func() error { f(); return nil }
			for range tasks {
				g.Go(task)
			}
			_ = g.Wait()
		}),
		repeat("conc", func() {
			var wg conc.WaitGroup
			for range tasks {
				wg.Go(f)
			}
			wg.Wait()
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("group/fanout/tasks=%d/body=%s", tasks, b.Name),
		Unit:   tasks,
		Peers:  append(append(peers, coterieFanOut(tasks, f)...), bodyLimit(b, tasks, tasks)...),
		Memory: tasks >= 1000,
	}
}

// groupNamed starts tasks tasks in an owner that is used again, and waits for all of them: without
// names, in an owner with a name, each with a name of its own, and so while somebody observes.
func groupNamed(tasks int) Workload {
	return Workload{
		Name:  fmt.Sprintf("group/named/tasks=%d", tasks),
		Unit:  tasks,
		Peers: coterieNamed(tasks),
	}
}

// groupBurst starts tasks that all block, each on a channel of its own, and lets
// them go once all have been started.
func groupBurst(tasks int) Workload {
	burst := func(start func(f func()), wait func()) {
		gates := make([]chan struct{}, tasks)
		for i := range gates {
			gate := make(chan struct{})
			gates[i] = gate
			start(func() { <-gate })
		}
		for _, gate := range gates {
			close(gate)
		}
		wait()
	}
	peers := []Peer{
		repeat("sync", func() {
			var wg sync.WaitGroup
			burst(wg.Go, wg.Wait)
		}),
		repeat("conc", func() {
			var wg conc.WaitGroup
			burst(wg.Go, wg.Wait)
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("group/burst/tasks=%d", tasks),
		Unit:   tasks,
		Peers:  append(peers, coterieBurst(burst)...),
		Memory: true,
	}
}
