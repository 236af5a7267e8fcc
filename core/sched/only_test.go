package sched

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

func TestOnlyTask(t *testing.T) {
	if race.Hidden {
		t.Skip("each task has a goroutine of its own, and is counted")
	}
	blocking := func(t *testing.T) (s *Scheduler, release chan struct{}) {
		s, release = new(Scheduler), make(chan struct{})
		require.True(t, s.Go(nil, Func(func() { <-release })))
		synctest.Wait()
		require.Equal(t, running, s.only.Load())
		return s, release
	}

	t.Run("is never counted, and neither is the next", func(t *testing.T) {
		var s Scheduler
		for range 3 {
			ran := false
			require.True(t, s.Go(nil, Func(func() { ran = true })))
			for s.only.Load() != noTask {
				runtime.Gosched()
			}
			require.NoError(t, s.Wait(nil))
			require.True(t, ran)
			require.Nil(t, s.shared)
		}
	})

	t.Run("is counted by a wait that parks, and the next is not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := blocking(t)
			go func() {
				synctest.Wait()
				assert.Equal(t, counted, s.only.Load())
				assert.Equal(t, 1, s.Running())
				close(release)
			}()
			require.NoError(t, s.Wait(nil))
			require.Nil(t, s.shared)
			require.Equal(t, noTask, s.only.Load())
			require.Zero(t, s.Running())
		})
	})

	t.Run("holds up no other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := blocking(t)
			require.True(t, s.Go(nil, Func(func() { close(release) })))
			require.NoError(t, s.Wait(nil))
		})
	})

	t.Run("counts for a limit that is set later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := blocking(t)
			s.SetWorkers(1)
			require.Equal(t, ErrFull, s.TryGo(nil, Func(func() {})))
			close(release)
			synctest.Wait()
			require.NoError(t, s.TryGo(nil, Func(func() {})))
			require.NoError(t, s.Wait(nil))
		})
	})

	t.Run("is waited for by the end of a scope", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := blocking(t)
			go func() {
				synctest.Wait()
				close(release)
			}()
			s.CloseScope(nil)
			require.False(t, s.Go(nil, Func(func() {})))
		})
	})

	t.Run("shows in the report of a wait that gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, release := blocking(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.Equal(t, context.Canceled, s.Wait(ctx))
			require.Equal(t, 1, s.Stuck(nil).Running)
			close(release)
			require.NoError(t, s.Wait(nil))
		})
	})

	// notBegun returns a scheduler with an only task whose worker has not begun, and begins it.
	notBegun := func(task func()) (s *Scheduler, begin func()) {
		s = new(Scheduler)
		s.only.Store(starting)
		return s, func() {
			w := newWorker(s)
			w.task, w.busy, w.only = Func(task), true, true
			w.start()
		}
	}

	t.Run("whose worker has not begun, no further worker is started for the next", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		s, begin := notBegun(func() {})
		var ran atomic.Int32
		for range 10 {
			require.True(t, s.Go(nil, Func(func() { ran.Add(1) })))
		}
		require.Equal(t, 1, inLock(s, func() int { return s.shared.workers }))
		begin()
		require.NoError(t, s.Wait(nil))
		require.EqualValues(t, 10, ran.Load())
	})

	t.Run("whose worker has not begun holds up no other", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that one searching worker is enough
		release := make(chan struct{})
		s, begin := notBegun(func() { <-release })
		require.True(t, s.Go(nil, Func(func() { close(release) })))
		require.Equal(t, 1, inLock(s, func() int { return s.shared.workers }))
		begin()
		require.NoError(t, s.Wait(nil))
	})

	t.Run("that panics under an owner that keeps the panic leaves no worker", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var s Scheduler
			s.Owner, s.Config = keeper{}, &Config{Kind: "group"}
			require.True(t, s.Go(nil, Func(func() { panic("boom") })))
			synctest.Wait()
			require.Zero(t, inLock(&s, func() int { return s.share().workers }))
		})
	})

	t.Run("that panics or calls Goexit ends as any other", func(t *testing.T) {
		var s Scheduler
		require.True(t, s.Go(nil, Func(func() { panic("boom") })))
		require.Panics(t, func() { _ = s.Wait(nil) })
		require.NoError(t, s.Wait(nil), "it is raised once")

		s = Scheduler{}
		require.True(t, s.Go(nil, Func(runtime.Goexit)))
		exited := make(chan bool)
		go func() {
			defer close(exited)
			_ = s.Wait(nil)
			exited <- false
		}()
		_, returned := <-exited
		require.False(t, returned)
	})
}

func TestWaitWithoutTasksEndsTheTraceOfAnOwner(t *testing.T) {
	if trace.IsEnabled() {
		t.Skip("another trace is being recorded")
	}
	require.NoError(t, trace.Start(io.Discard))
	defer trace.Stop()
	l := &limited{Config{Kind: "group", Name: "idle"}}
	l.config.Nest(t.Context())
	s := new(Scheduler)
	s.SetOwner(l, &l.config)
	s.Register(t.Context())
	require.NotNil(t, l.config.trace)
	require.NoError(t, s.Wait(nil))
	require.EqualValues(t, 1, l.config.trace.ended.Load())
}

// Invariant: each task runs once, and a wait that begins after its Go covers it, whatever counts an
// only task at whatever moment.
func TestOnlyTaskAtEachMoment(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for range 3000 {
				var s Scheduler
				var accepted, ran atomic.Int64
				task := Func(func() {
					yieldAtRandom()
					ran.Add(1)
					yieldAtRandom()
				})
				var wg sync.WaitGroup
				for range 1 + rand.IntN(3) {
					wg.Go(func() {
						for range 1 + rand.IntN(3) {
							yieldAtRandom()
							switch rand.IntN(8) {
							case 0:
								s.SetWorkers(1 + rand.IntN(2))
							case 1:
								s.Running()
							case 2:
								if s.GoContext(t.Context(), nil, task) == nil {
									accepted.Add(1)
								}
							case 3:
								if s.TryGo(nil, task) == nil {
									accepted.Add(1)
								}
							case 4:
								_ = s.Wait(nil)
							default:
								if s.Go(nil, task) {
									accepted.Add(1)
								}
							}
						}
					})
				}
				wg.Wait()
				if rand.IntN(2) == 0 {
					require.NoError(t, s.Wait(nil))
				} else {
					s.CloseScope(nil)
				}
				require.Equal(t, accepted.Load(), ran.Load())
				require.Zero(t, s.Running())
			}
		})
	}
}

func yieldAtRandom() {
	for rand.IntN(3) == 0 {
		runtime.Gosched()
	}
}

// A keeper keeps the panics of tasks to itself.
type keeper struct{}

func (keeper) Aborted(*Scheduler, *Set, Task, *core.PanicError) {}
