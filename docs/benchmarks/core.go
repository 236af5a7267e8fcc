package benchmarks

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"golang.org/x/sync/semaphore"
)

// waitGroup is what sync.WaitGroup and ours have in common.
type waitGroup interface {
	Add(int)
	Done()
	Wait()
}

func coreWorkloads() []Workload {
	workloads := []Workload{
		{Name: "core/add-done", Unit: 1, Peers: []Peer{
			simple("sync", func(n int) {
				var wg sync.WaitGroup
				for range n {
					wg.Add(1)
					wg.Done()
				}
			}),
			simple("coterie", func(n int) {
				var wg core.WaitGroup
				for range n {
					wg.Add(1)
					wg.Done()
				}
			}),
			simple(Limit, func(n int) { // the two atomic additions
				var word atomic.Uint64
				for range n {
					word.Add(1 << 32)
					word.Add(^uint64(1<<32 - 1))
				}
			}),
		}},
		{Name: "core/add-done/goroutines=8", Unit: 8, Peers: []Peer{
			simple("sync", func(n int) {
				var wg sync.WaitGroup
				eight(func() {
					for range n {
						wg.Add(1)
						wg.Done()
					}
				})
			}),
			simple("coterie", func(n int) {
				var wg core.WaitGroup
				eight(func() {
					for range n {
						wg.Add(1)
						wg.Done()
					}
				})
			}),
		}},
		{Name: "core/wait-on-zero", Unit: 1, Peers: []Peer{
			simple("sync", func(n int) {
				var wg sync.WaitGroup
				for range n {
					wg.Wait()
				}
			}),
			simple("coterie", func(n int) {
				var wg core.WaitGroup
				for range n {
					wg.Wait()
				}
			}),
		}},
		{Name: "core/ping-pong", Unit: 1, Peers: []Peer{
			simple("sync", func(n int) { pingPong(n, new(sync.WaitGroup), new(sync.WaitGroup)) }),
			simple("coterie", func(n int) { pingPong(n, new(core.WaitGroup), new(core.WaitGroup)) }),
			simple("channel", func(n int) {
				ping, pong := make(chan struct{}), make(chan struct{})
				go func() {
					for range ping {
						pong <- struct{}{}
					}
				}()
				for range n {
					ping <- struct{}{}
					<-pong
				}
				close(ping)
			}),
		}},
		{Name: "core/fanout/tasks=1000", Unit: 1000, Memory: true, Peers: []Peer{
			repeat("sync", func() { fanOut(1000, new(sync.WaitGroup)) }),
			repeat("coterie", func() { fanOut(1000, new(core.WaitGroup)) }),
		}},
		{Name: "core/call", Unit: 1, Peers: []Peer{
			simple("plain", func(n int) { callPlain(n, func() {}) }),
			simple("recover", func(n int) { callRecover(n, func() {}) }),
			simple("coterie", func(n int) {
				f, aborted := func() {}, func(*core.PanicError) {}
				for range n {
					core.Call(f, aborted)
				}
			}),
		}},
	}
	return append(workloads, semaphoreWorkloads()...)
}

// semaphores is what the semaphores have in common.
type semaphores interface {
	Acquire(ctx context.Context, n int64) error
	Release(n int64)
}

func semaphoreWorkloads() []Workload {
	ctx := context.Background()
	return []Workload{
		{Name: "core/semaphore", Unit: 1, Peers: []Peer{
			simple("x-sync", func(n int) {
				s := semaphore.NewWeighted(2)
				for range n {
					_ = s.Acquire(ctx, 1)
					s.Release(1)
				}
			}),
			simple("channel", func(n int) {
				s := make(chan struct{}, 2)
				for range n {
					s <- struct{}{}
					<-s
				}
			}),
			simple("coterie", func(n int) {
				s := core.NewSemaphore(2)
				for range n {
					_ = s.Acquire(ctx, 1)
					s.Release(1)
				}
			}),
			simple(Limit, func(n int) { // two atomic operations that can fail
				var word atomic.Uint64
				for range n {
					word.CompareAndSwap(0, 1)
					word.CompareAndSwap(1, 0)
				}
			}),
		}},
		{Name: "core/semaphore/goroutines=8/limit=2", Unit: 8, Peers: []Peer{
			simple("x-sync", func(n int) { contend(n, semaphore.NewWeighted(2)) }),
			simple("channel", func(n int) {
				s := make(chan struct{}, 2)
				eight(func() {
					for range n {
						s <- struct{}{}
						<-s
					}
				})
			}),
			simple("coterie", func(n int) { contend(n, core.NewSemaphore(2)) }),
		}},
	}
}

func contend(n int, s semaphores) {
	eight(func() {
		for range n {
			_ = s.Acquire(context.Background(), 1)
			s.Release(1)
		}
	})
}

// eight runs f in eight goroutines.
func eight(f func()) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(f)
	}
	wg.Wait()
}

// pingPong makes two goroutines wait for each other n times.
func pingPong[W waitGroup](n int, ping, pong W) {
	ping.Add(1)
	pong.Add(1)
	go func() {
		for range n {
			ping.Wait()
			ping.Add(1)
			pong.Done()
		}
	}()
	for range n {
		ping.Done()
		pong.Wait()
		pong.Add(1)
	}
}

func fanOut[W waitGroup](tasks int, wg W) {
	wg.Add(tasks)
	for range tasks {
		go wg.Done()
	}
	wg.Wait()
}

//go:noinline
func callPlain(n int, f func()) {
	for range n {
		f()
	}
}

//go:noinline
func callRecover(n int, f func()) {
	for range n {
		func() {
			defer func() { _ = recover() }()
			f()
		}()
	}
}
