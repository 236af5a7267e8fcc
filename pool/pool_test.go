package pool_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func TestPool(t *testing.T) {
	t.Run("wait returns when every task has ended", func(t *testing.T) {
		p := pool.New(3, pool.Options{})
		var ran atomic.Int32
		for round := range 3 {
			for range 10000 {
				p.Go(func() { ran.Add(1) })
			}
			p.Wait()
			require.EqualValues(t, 10000*(round+1), ran.Load())
		}
		require.Equal(t, pool.Stats{Submitted: 30000, Completed: 30000}, closeEmpty(t, p))
	})

	t.Run("no more tasks run than there are workers", func(t *testing.T) {
		p := pool.New(3, pool.Options{Queue: 8})
		var g gauge
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 500 {
					p.Go(func() { g.enter(); g.leave() })
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, int(g.most.Load()), 3)
		closeEmpty(t, p)
	})

	t.Run("as many tasks run as there are workers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(3, pool.Options{Queue: 4})
			release := make(chan struct{})
			for range 7 {
				p.Go(func() { <-release })
				synctest.Wait()
			}
			require.False(t, p.TryGo(func() {}))
			require.Equal(t, pool.Stats{Workers: 3, Busy: 3, Queued: 4, Submitted: 7}, p.Stats())
			close(release)
			p.Wait()
			for range 3 {
				p.Go(func() { time.Sleep(time.Second) })
			}
			synctest.Wait()
			require.Equal(t, 3, p.Stats().Busy)
			closeEmpty(t, p)
		})
	})

	t.Run("as many tasks run as GOMAXPROCS if no number of workers is given", func(t *testing.T) {
		workers := runtime.GOMAXPROCS(0)
		for name, p := range map[string]*pool.Pool{"New": pool.New(0, pool.Options{}), "the zero value": new(pool.Pool)} {
			begun, release := make(chan struct{}), make(chan struct{})
			for range workers + 3 {
				p.Go(func() {
					begun <- struct{}{}
					<-release
				})
			}
			for range workers {
				<-begun
			}
			require.Equal(t, pool.Stats{Workers: workers, Busy: workers, Queued: 3, Submitted: uint64(workers + 3)}, p.Stats(), name)
			go func() {
				for range 3 {
					<-begun
				}
			}()
			close(release)
			closeEmpty(t, p)
		}
	})

	t.Run("the queue is first in, first out", func(t *testing.T) {
		for _, queue := range []int{1, 2, 63, 64, 100, 1024} {
			p := pool.New(1, pool.Options{Queue: queue})
			var next atomic.Int64
			for i := range int64(3000) {
				p.Go(func() { next.CompareAndSwap(i, i+1) })
			}
			p.Wait()
			require.EqualValues(t, 3000, next.Load())
			closeEmpty(t, p)
		}
	})

	t.Run("a panic reaches OnPanic and a Goexit ends only its task", func(t *testing.T) {
		var panics atomic.Int32
		p := pool.New(2, pool.Options{OnPanic: func(pe *core.PanicError) {
			if strings.Contains(string(pe.Stack), "pool_test.TestPool") {
				panics.Add(1)
			}
			if pe.Value == 0 {
				runtime.Goexit()
			}
		}})
		var ran atomic.Int32
		third := child.Many(500, 3333)
		for i := range 3*third + 1 {
			p.Go(func() {
				switch i % 3 {
				case 0:
					panic(i)
				case 1:
					runtime.Goexit()
				}
				ran.Add(1)
			})
		}
		p.Wait()
		require.EqualValues(t, third, ran.Load())
		require.EqualValues(t, third+1, panics.Load())
		require.LessOrEqual(t, p.Stats().Workers, 2)
		all := uint64(3*third + 1)
		require.Equal(t, pool.Stats{Submitted: all, Completed: all, Panicked: uint64(third + 1)}, closeEmpty(t, p))
	})

	t.Run("as many tasks run as before when tasks have panicked and called Goexit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{OnPanic: func(*core.PanicError) {}})
			for range 10 {
				p.Go(func() { panic("ten times") })
				p.Go(runtime.Goexit)
			}
			p.Wait()
			release := make(chan struct{})
			for range 3 {
				p.Go(func() { <-release })
			}
			synctest.Wait()
			require.Equal(t, pool.Stats{
				Workers: 2, Busy: 2, Queued: 1, Submitted: 23, Completed: 20, Panicked: 10,
			}, p.Stats())
			close(release)
			closeEmpty(t, p)
		})
	})

	t.Run("no wake-up is lost with one worker and submitters racing", func(t *testing.T) {
		for _, end := range []func(){func() {}, runtime.Goexit, func() { panic("one") }} {
			p := pool.New(1, pool.Options{Queue: 2, OnPanic: func(*core.PanicError) {}})
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for i := range 500 {
						done := make(chan struct{})
						p.Go(func() { defer close(done); end() })
						if i%2 == 0 {
							<-done
						}
					}
				})
			}
			all.Wait()
			p.Wait()
			require.EqualValues(t, 2000, closeEmpty(t, p).Completed)
		}
	})

	t.Run("finished closures are not kept", func(t *testing.T) {
		p := pool.New(2, pool.Options{Queue: 16, IdleAfter: time.Hour})
		defer p.Close()
		b := p.Batch(t.Context())
		var refs []weak.Pointer[[64]byte]
		for range 20 {
			big := new([64]byte)
			refs = append(refs, weak.Make(big))
			use := func() { runtime.KeepAlive(big) }
			require.NoError(t, b.GoContext(t.Context(), func(context.Context) { use() }))
			f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { use(); return 0, nil })
			require.NoError(t, err)
			defer runtime.KeepAlive(f)
			b.Go(use)
			p.Go(use) // the last task of at least one worker
		}
		p.Wait()
		// A worker may not have gone idle yet.
		child.Collect(func() bool {
			return !slices.ContainsFunc(refs, func(ref weak.Pointer[[64]byte]) bool { return ref.Value() != nil })
		})
	})

	t.Run("a million tasks leave the heap as it was", func(t *testing.T) {
		if raceBuild {
			t.Skip("takes a minute in -race builds")
		}
		n := child.Many(100_000, 1_000_000)
		p := pool.New(2, pool.Options{Queue: 1024})
		p.Go(func() {})
		p.Wait()
		before := heap()
		var ran atomic.Int64
		for range n {
			p.Go(func() { ran.Add(1) })
		}
		grown := heap() - before
		p.Wait()
		require.EqualValues(t, n, ran.Load())
		require.Less(t, grown, int64(1<<20))
		closeEmpty(t, p)
	})

	t.Run("pools that are closed leave nothing behind", func(t *testing.T) {
		rounds := child.Many(3000, 20_000)
		if raceBuild {
			rounds = 500
		}
		before := heap()
		for range rounds {
			p := pool.New(1, pool.Options{})
			p.Go(func() {})
			p.Close()
		}
		require.Less(t, heap()-before, int64(1<<20))
	})
}

// heap returns the bytes of the heap that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A package variable, which one bubble uses after another.
var shared = pool.New(2, pool.Options{IdleAfter: time.Minute})

func TestPoolInBubbles(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			b := shared.Batch(t.Context())
			for range 10 {
				b.Go(func() { time.Sleep(time.Second) })
			}
			start := time.Now()
			b.Wait()
			require.Equal(t, 5*time.Second, time.Since(start))
			synctest.Wait()
			require.Equal(t, 2, shared.Stats().Workers)
			time.Sleep(time.Minute) // idle workers would outlive the bubble
		})
		require.Zero(t, shared.Stats().Workers)
	}
}

// Whatever a pool leaves behind where it was used first, in a bubble or outside, does no harm where
// it is used next.
func TestPoolInAndOutsideOfBubbles(t *testing.T) {
	type place struct {
		run  func(t *testing.T, f func(t *testing.T))
		rest func() // until the workers are idle
	}
	places := map[string]place{
		"in a bubble": {synctest.Test, synctest.Wait},
		"outside": {func(t *testing.T, f func(t *testing.T)) { f(t) }, func() {
			for range 1000 {
				runtime.Gosched()
			}
		}},
	}
	settings := func() *pool.Pool { return pool.New(1, pool.Options{IdleAfter: time.Hour}) } //coterie:unwaited it is closed by the tests
	// A timer for idle workers is left, but no worker.
	leaveTimer := func(t *testing.T, p *pool.Pool, at place) {
		at.run(t, func(t *testing.T) {
			ran := make(chan struct{})
			p.Go(func() { close(ran) })
			<-ran // without workers it would stay in the queue
			at.rest()
			p.SetWorkers(0)
			for p.Stats().Workers > 0 {
				runtime.Gosched()
			}
		})
	}
	for first, one := range places {
		for second, two := range places {
			t.Run("used "+first+" and closed "+second, func(t *testing.T) {
				p := settings()
				leaveTimer(t, p, one)
				two.run(t, func(*testing.T) { p.Close() })
			})

			t.Run("used "+first+" and kept busy "+second, func(t *testing.T) {
				p := settings()
				leaveTimer(t, p, one)
				two.run(t, func(t *testing.T) {
					p.SetWorkers(1)
					var ran atomic.Int32
					for range 1000 {
						done := make(chan struct{})
						p.Go(func() { ran.Add(1); close(done) })
						<-done
					}
					require.EqualValues(t, 1000, ran.Load())
					p.Close()
				})
			})
		}

		t.Run("used "+first+", then in a bubble: an idle worker ends after IdleAfter", func(t *testing.T) {
			p := settings()
			leaveTimer(t, p, one)
			synctest.Test(t, func(t *testing.T) {
				p.SetWorkers(1)
				p.Go(func() {})
				p.Wait()
				time.Sleep(time.Hour - 1)
				synctest.Wait()
				require.Equal(t, 1, p.Stats().Workers)
				time.Sleep(1)
				synctest.Wait()
				require.Zero(t, p.Stats().Workers)
			})
			p.Close()
		})
	}
}

func TestIdleWorkers(t *testing.T) {
	t.Run("end after IdleAfter and come back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{IdleAfter: time.Minute})
			workers := func() int { synctest.Wait(); return p.Stats().Workers }
			require.Zero(t, workers())
			p.Go(func() {})
			require.Equal(t, 1, workers())
			time.Sleep(40 * time.Second)
			p.Go(func() {})
			p.Wait()
			time.Sleep(59 * time.Second)
			require.Equal(t, 1, workers())
			time.Sleep(time.Second)
			require.Zero(t, workers())
			p.Go(func() { time.Sleep(3 * time.Minute) })
			p.Go(func() {})
			require.Equal(t, 2, workers())
			time.Sleep(time.Minute)
			require.Equal(t, 1, workers())
			p.Wait()
			require.Equal(t, 1, workers())
			time.Sleep(time.Minute)
			require.Zero(t, workers())
			p.Go(func() {})
			p.Wait()
			time.Sleep(time.Minute)
			require.Zero(t, workers())
		})
	})

	t.Run("end one after another, if they became idle so", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{IdleAfter: time.Minute})
			p.Go(func() { time.Sleep(20 * time.Second) })
			p.Go(func() { time.Sleep(50 * time.Second) })
			for seconds, want := range map[int]int{79: 2, 81: 1, 109: 1, 111: 0} {
				time.AfterFunc(time.Duration(seconds)*time.Second, func() { assert.Equal(t, want, p.Stats().Workers, "after %d s", seconds) })
			}
			time.Sleep(2 * time.Minute)
			closeEmpty(t, p)
		})
	})

	t.Run("end after IdleAfter if that has passed while they worked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{IdleAfter: time.Minute})
			workers := func() int { synctest.Wait(); return p.Stats().Workers }
			p.Go(func() {})
			time.Sleep(time.Second)
			p.Go(func() { time.Sleep(10 * time.Minute) })
			p.Wait()
			time.Sleep(time.Minute - 1)
			require.Equal(t, 1, workers())
			time.Sleep(time.Nanosecond)
			require.Zero(t, workers())
		})
	})

	t.Run("end after IdleAfter while another runs a task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{IdleAfter: time.Minute})
			for range 2 {
				p.Go(func() { time.Sleep(time.Second) })
			}
			p.Wait()
			for range 100 { // so that the worker has found many tasks in a row
				p.Go(func() {})
				synctest.Wait()
			}
			p.Go(func() { time.Sleep(time.Hour) })
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			require.Equal(t, 1, p.Stats().Workers)
			p.Close()
		})
	})

	t.Run("end after IdleAfter if another took the task they were started for", func(t *testing.T) {
		for range 100 {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2, pool.Options{IdleAfter: time.Minute})
				for range 3 {
					p.Go(func() {})
				}
				p.Wait()
				time.Sleep(time.Minute)
				synctest.Wait()
				left := p.Stats().Workers
				p.Close()
				require.Zero(t, left)
			})
		}
	})

	t.Run("end IdleAfter after the last of many tasks that followed one another", func(t *testing.T) {
		for _, tasks := range []int{1, 15, 16, 17, 18, 1000} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{IdleAfter: time.Minute}) //coterie:unwaited the test is about its workers
				workers := func() int { synctest.Wait(); return p.Stats().Workers }
				for range 2 {
					p.Go(func() {})
					time.Sleep(30 * time.Second)
					for range tasks {
						done := make(chan struct{})
						p.Go(func() { close(done) })
						<-done
					}
					time.Sleep(time.Minute - 1)
					require.Equal(t, 1, workers())
				}
				time.Sleep(time.Nanosecond)
				require.Zero(t, workers())
			})
		}
	})

	t.Run("end after a second if nothing else is said", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{}) //coterie:unwaited the test is about its workers
			p.Go(func() {})
			time.Sleep(time.Second - 1)
			synctest.Wait()
			require.Equal(t, 1, p.Stats().Workers)
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			require.Zero(t, p.Stats().Workers)
		})
	})

	t.Run("race their timers against new tasks", func(t *testing.T) {
		p := pool.New(2, pool.Options{IdleAfter: time.Microsecond})
		for range 2000 {
			done := make(chan struct{})
			p.Go(func() { close(done) })
			<-done
		}
		closeEmpty(t, p)
	})
}

func TestSetWorkers(t *testing.T) {
	t.Run("the limit holds exactly, up and down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(8, pool.Options{})
			busy := func() int { synctest.Wait(); return p.Stats().Busy }
			release := make(chan struct{})
			for range 30 {
				p.Go(func() { <-release })
			}
			require.Equal(t, 8, busy())
			p.SetWorkers(1)
			for want := 7; want >= 1; want-- {
				release <- struct{}{}
				require.Equal(t, want, busy())
			}
			release <- struct{}{}
			require.Equal(t, 1, busy())
			require.Equal(t, 1, p.Stats().Workers)
			p.SetWorkers(8)
			require.Equal(t, 8, busy())
			close(release)
			p.Wait()
			synctest.Wait()
			require.Equal(t, 8, p.Stats().Workers)
			p.SetWorkers(3)
			synctest.Wait()
			require.Equal(t, 3, p.Stats().Workers)
			closeEmpty(t, p)
		})
	})

	t.Run("leaves the order of one worker's tasks as it is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			var order []int
			first, second := make(chan struct{}), make(chan struct{})
			p.Go(func() { <-first })
			synctest.Wait()
			for i := range 5 {
				p.Go(func() {
					order = append(order, i)
					if i == 1 {
						<-second
					}
				})
			}
			close(first)
			synctest.Wait() // the worker has taken the tasks behind the second, so the queue is empty
			p.Go(func() { order = append(order, 5) })
			p.SetWorkers(1)
			close(second)
			p.Close()
			require.Equal(t, []int{0, 1, 2, 3, 4, 5}, order)
		})
	})

	t.Run("under load", func(t *testing.T) {
		p := pool.New(8, pool.Options{Queue: 16})
		var g gauge
		var stop atomic.Bool
		var producers sync.WaitGroup
		for range 2 {
			producers.Go(func() {
				for !stop.Load() {
					p.Go(func() { g.enter(); g.leave() })
				}
			})
		}
		for range 50 {
			for _, n := range []int{1, 8} {
				p.SetWorkers(n)
				// Those that run already are too many until they have ended.
				for p.Stats().Busy > n {
					runtime.Gosched()
				}
				g.most.Store(0)
				for range 20 {
					runtime.Gosched()
				}
				require.LessOrEqual(t, int(g.most.Load()), n)
			}
		}
		stop.Store(true)
		producers.Wait()
		closeEmpty(t, p)
	})
}

func TestSubmitters(t *testing.T) {
	t.Run("who block on a full queue are served in order", func(t *testing.T) {
		for _, queue := range []int{1, 4, 64} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{Queue: queue})
				release := make(chan struct{})
				for range 1 + queue {
					p.Go(func() { <-release })
					synctest.Wait()
				}
				var next atomic.Int64
				for i := range int64(100) {
					go p.Go(func() { next.CompareAndSwap(i, i+1) })
					synctest.Wait()
				}
				close(release)
				synctest.Wait()
				p.Wait()
				require.EqualValues(t, 100, next.Load())
				closeEmpty(t, p)
			})
		}
	})

	t.Run("get on as soon as a short queue has room, and when a long one is half empty", func(t *testing.T) {
		for queue, rest := range map[int]int{1: 0, 2: 1, 63: 62, 64: 32, 1000: 500} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{Queue: queue})
				release := make(chan struct{})
				for range 1 + queue {
					p.Go(func() { <-release })
					synctest.Wait()
				}
				var returned atomic.Bool
				go func() { p.Go(func() {}); returned.Store(true) }()
				for left := queue; left > rest; left-- {
					synctest.Wait()
					require.False(t, returned.Load())
					release <- struct{}{}
				}
				synctest.Wait()
				require.True(t, returned.Load())
				require.Equal(t, rest+1, p.Stats().Queued)
				close(release)
				closeEmpty(t, p)
			})
		}
	})

	t.Run("who never stop do not starve another", func(t *testing.T) {
		p := pool.New(1, pool.Options{Queue: 4})
		var stop atomic.Bool
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for !stop.Load() {
					p.Go(func() { runtime.Gosched() })
				}
			})
		}
		for range 200 {
			p.Go(func() {})
		}
		stop.Store(true)
		all.Wait()
		closeEmpty(t, p)
	})

	t.Run("are not passed by TryGo", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 64})
			release := make(chan struct{})
			for range 65 {
				p.Go(func() { <-release })
				synctest.Wait()
			}
			go p.Go(func() {})
			synctest.Wait()
			release <- struct{}{}
			synctest.Wait()
			require.Equal(t, 63, p.Stats().Queued)
			require.False(t, p.TryGo(func() {}))
			close(release)
			p.Wait()
			require.True(t, p.TryGo(func() {}))
			closeEmpty(t, p)
		})
	})
}

func TestGoContext(t *testing.T) {
	cause := errors.New("enough")

	t.Run("does not start with a context that is done", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		p := pool.New(1, pool.Options{})
		require.Equal(t, cause, p.GoContext(ctx, func(context.Context) { panic("started") }))
		require.Equal(t, pool.Stats{}, closeEmpty(t, p))
	})

	t.Run("gives up waiting for room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			release := make(chan struct{})
			p.Go(func() { <-release })
			synctest.Wait()
			p.Go(func() {})
			ctx, cancel := context.WithCancelCause(t.Context())
			errs := make(chan error, 3)
			ran := false
			go func() { errs <- p.GoContext(ctx, func(context.Context) { panic("started") }) }()
			synctest.Wait()
			go func() { errs <- p.GoContext(t.Context(), func(context.Context) { ran = true }) }()
			synctest.Wait()
			require.Empty(t, errs)
			cancel(cause)
			require.Equal(t, cause, <-errs)
			synctest.Wait()
			require.Empty(t, errs)
			close(release)
			require.NoError(t, <-errs)
			p.Wait()
			require.True(t, ran)
			require.Equal(t, pool.Stats{Submitted: 3, Completed: 3}, closeEmpty(t, p))
		})
	})

	t.Run("drops a task whose context is done when its turn comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			release := make(chan struct{})
			p.Go(func() { <-release })
			ctx, cancel := context.WithCancelCause(t.Context())
			b := p.Batch(t.Context())
			require.NoError(t, p.GoContext(ctx, func(context.Context) { panic("started") }))
			require.NoError(t, b.GoContext(ctx, func(context.Context) { panic("started") }))
			f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { panic("started") })
			require.NoError(t, err)
			cancel(cause)
			close(release)
			require.Equal(t, cause, b.WaitContext(t.Context()))
			require.Equal(t, cause, b.Err())
			_, err = f.Get()
			require.Equal(t, cause, err)
			p.Wait()
			require.Equal(t, pool.Stats{Submitted: 4, Completed: 1, Dropped: 3}, closeEmpty(t, p))
		})
	})

	t.Run("gives up at any point without losing a task or a wake-up", func(t *testing.T) {
		p := pool.New(2, pool.Options{Queue: 3})
		var accepted, ran atomic.Int64
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 500 {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if (i+j)%3 == 0 {
						go func() {
							for range (i * j) % 7 {
								runtime.Gosched()
							}
							cancel()
						}()
					}
					err := p.GoContext(ctx, func(context.Context) { ran.Add(1); runtime.Gosched() })
					if err == nil {
						accepted.Add(1)
					}
				}
			})
		}
		all.Wait()
		p.Wait()
		s := closeEmpty(t, p)
		require.EqualValues(t, accepted.Load(), s.Submitted)
		require.EqualValues(t, ran.Load(), s.Completed)
	})
}

func TestWaitContext(t *testing.T) {
	t.Run("gives up and can be called again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "mail"})
			release := make(chan struct{})
			p.Go(func() { <-release })
			p.Go(func() {})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := p.WaitContext(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.True(t, strings.HasPrefix(err.Error(), `pool "mail": 1 running, 1 queued: context deadline exceeded

mail, for 1m0s
`), err.Error())
			close(release)
			require.NoError(t, p.WaitContext(t.Context()))
			require.NoError(t, p.WaitContext(ctx))
			closeEmpty(t, p)
		})
	})

	t.Run("races the last task", func(t *testing.T) {
		p := pool.New(2, pool.Options{})
		for i := range 2000 {
			ctx, cancel := context.WithCancel(t.Context())
			p.Go(func() {
				if i%2 == 0 {
					cancel()
				}
			})
			_ = p.WaitContext(ctx)
			p.Wait()
			cancel()
		}
		closeEmpty(t, p)
	})

	t.Run("panics within a task of the pool", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			b := p.Batch(t.Context())
			var deep func(n int)
			deep = func(n int) {
				if n > 0 {
					deep(n - 1)
					return
				}
				p.Wait()
			}
			for depth := range 130 {
				b.Go(func() { deep(depth) })
				require.Equal(t, "pool: Wait within one of the pool's own tasks", caught(b.Wait).(*core.PanicError).Value)
			}
			other := pool.New(1, pool.Options{})
			b.Go(func() {
				other.Go(func() { time.Sleep(time.Second) })
				other.Wait() // of another pool is allowed
			})
			b.Wait()
			other.Close()
			f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) { return 0, p.WaitContext(ctx) }) //coterie:selfwait that it panics is the point
			require.NoError(t, err)
			require.Equal(t, "pool: WaitContext within one of the pool's own tasks",
				caught(func() { f.Get() }).(*core.PanicError).Value)
			p.Close()
		})
	})

	t.Run("panics in what another owner runs in place for a task of the pool", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		g := group.New(group.Options{Limit: 1})
		require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
			b := p.Batch(ctx)
			require.NoError(t, b.GoContext(ctx, func(ctx context.Context) {
				_ = g.GoContext(ctx, func(context.Context) { p.Wait() })
			}))
			b.Wait()
		}))
		require.Equal(t, "pool: Wait within one of the pool's own tasks", caught(g.Wait).(*core.PanicError).Value)
		p.Close()
	})
}

func TestMisuse(t *testing.T) {
	p := pool.New(1, pool.Options{})
	b := p.Batch(t.Context())
	for text, f := range map[string]func(){
		"pool: negative workers, got -1":    func() { pool.New(-1, pool.Options{}) },
		"pool: negative workers, got -3":    func() { p.SetWorkers(-3) },
		"pool: negative queue, got -1":      func() { pool.New(1, pool.Options{Queue: -1}) },
		"pool: negative IdleAfter, got -1s": func() { pool.New(1, pool.Options{IdleAfter: -time.Second}) },
	} {
		require.Equal(t, text, caught(f))
	}
	for _, f := range []func(){
		func() { p.Go(nil) },
		func() { p.TryGo(nil) },
		func() { p.GoContext(t.Context(), nil) },
		func() { b.Go(nil) },
		func() { b.TryGo(nil) },
		func() { b.GoContext(t.Context(), nil) },
		func() { pool.Submit[int](t.Context(), p, nil) },
	} {
		require.Equal(t, "pool: nil func", caught(f))
	}
	var none context.Context
	for _, f := range []func(){
		func() { p.GoContext(none, func(context.Context) {}) },
		func() { _ = p.WaitContext(none) },
		func() { _ = p.Shutdown(none) },
		func() { p.Batch(none) },
		func() { b.GoContext(none, func(context.Context) {}) },
		func() { _ = b.WaitContext(none) },
		func() { pool.Submit(none, p, func(context.Context) (int, error) { return 0, nil }) },
	} {
		require.Equal(t, "pool: nil context", caught(f))
	}
	require.Equal(t, "pool: nil pool", caught(func() {
		pool.Submit(t.Context(), nil, func(context.Context) (int, error) { return 0, nil })
	}))
	require.Equal(t, pool.Stats{}, closeEmpty(t, p))

	for _, f := range []func(){func() { p.Go(func() {}) }, func() { b.Go(func() {}) }} {
		require.Equal(t, "pool: Go on a pool, which is closed", caught(f))
	}
	require.False(t, p.TryGo(func() {}))
	require.False(t, b.TryGo(func() {}))
	require.Equal(t, pool.ErrClosed, p.GoContext(t.Context(), func(context.Context) {}))
	require.Equal(t, pool.ErrClosed, b.GoContext(t.Context(), func(context.Context) {}))
	f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { return 0, nil })
	require.Nil(t, f)
	require.Equal(t, pool.ErrClosed, err)
	require.Equal(t, pool.Stats{}, closeEmpty(t, p))
}

// A panic for which nobody waits ends the process.
func TestCrash(t *testing.T) {
	for name, c := range map[string]struct {
		onPanic func(*core.PanicError)
		text    string
	}{
		"a task's":  {nil, "panic: boom"},
		"OnPanic's": {func(*core.PanicError) { panic("again") }, "panic: again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range child.Many(1, 20) {
				inside, output, err := child.Run(t)
				if inside {
					p := pool.New(1, pool.Options{OnPanic: c.onPanic})
					p.Go(func() { panic("boom") })
					p.Wait()
					os.Exit(0)
				}
				child.Panicked(t, output, err, c.text, "pool_test.TestCrash.func")
			}
		})
	}
}

func TestStatsCountATaskOnThePlaceOfAnother(t *testing.T) {
	p := pool.New(1, pool.Options{Queue: 1})
	var s pool.Stats
	require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
		assert.True(t, p.TryGo(func() {}))
		assert.NoError(t, p.GoContext(ctx, func(context.Context) { s = p.Stats() }))
	}))
	p.Wait()
	p.Close()
	require.Equal(t, []uint64{3, 0}, []uint64{s.Submitted, s.Completed})
	require.Equal(t, 1, s.Queued)
}

func TestStatsCountNoHelpersOfLoops(t *testing.T) {
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			p := pool.New(4, pool.Options{})
			for range 3 {
				require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
					_ = loop(ctx, 4, 100, func(context.Context, int) error {
						runtime.Gosched()
						return nil
					})
					s := p.Stats()
					assert.LessOrEqual(t, s.Submitted, uint64(3))
					assert.LessOrEqual(t, s.Completed, uint64(2))
				}))
			}
			p.Wait()
			p.Close()
			require.Equal(t, pool.Stats{Submitted: 3, Completed: 3}, p.Stats())
		})
	}
}
