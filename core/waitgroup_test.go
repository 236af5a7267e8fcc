package core_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/race"
)

type waitGroup interface {
	Add(delta int)
	Done()
	Wait()
}

// wgImpl is one of the two implementations that the table compares.
type wgImpl struct {
	name string
	new  func() waitGroup
}

var wgImpls = []wgImpl{
	{"sync", func() waitGroup { return new(sync.WaitGroup) }},
	{"core", func() waitGroup { return new(core.WaitGroup) }},
}

// of returns the one of its arguments that is of this implementation.
func (i wgImpl) of(ofSync *sync.WaitGroup, ofCore *core.WaitGroup) waitGroup {
	if i.name == "sync" {
		return ofSync
	}
	return ofCore
}

// blocks says whether f does, in the bubble that this is called in. ended is
// closed when f has returned.
func blocks(f func()) (blocked bool, ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		f()
	}()
	synctest.Wait()
	select {
	case <-ended:
		return false, ended
	default:
		return true, ended
	}
}

// Package variables, one of which the linker allocates.
var (
	linkedSync, linkedCore   = sync.WaitGroup{}, core.WaitGroup{}
	heapSync, heapCore       = new(sync.WaitGroup), new(core.WaitGroup)
	movedSync, movedCore     = new(sync.WaitGroup), new(core.WaitGroup)
	sharedSync, sharedCore   = new(sync.WaitGroup), new(core.WaitGroup)
	outsideSync, outsideCore = new(sync.WaitGroup), new(core.WaitGroup)
)

// What sync.WaitGroup does, and what ours does. It has every case of
// sync/waitgroup_test.go and of the WaitGroup tests of internal/synctest, but
// for those of WaitGroup.Go, which ours leaves to group.Group.
func TestWaitGroupBehaviour(t *testing.T) {
	for _, row := range []struct {
		name     string
		same     string // the outcome of both, or
		ofSync   string
		ofCore   string
		why      string // the difference is intended
		child    bool   // the outcome may be the end of the process
		noBubble bool   // the row makes its own
		do       func(t *testing.T, impl wgImpl, wg waitGroup) string
	}{
		{
			name: "a wait on a zero value returns", same: "returns",
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string { return outcomeOf(wg.Wait) },
		},
		{
			name: "two groups make a barrier, eight times", same: "returns",
			do: func(t *testing.T, impl wgImpl, wg1 waitGroup) string {
				wg2 := impl.new()
				for range 8 {
					const n = 16
					wg1.Add(n)
					wg2.Add(n)
					exited := make(chan bool, n)
					for range n {
						go func() {
							wg1.Done()
							wg2.Wait()
							exited <- true
						}()
					}
					wg1.Wait()
					for range n {
						select {
						case <-exited:
							return "released too soon"
						default:
						}
						wg2.Done()
					}
					for range n {
						<-exited
					}
				}
				return "returns"
			},
		},
		{
			name:   "one Done too many panics",
			ofSync: "panics: sync: negative WaitGroup counter", ofCore: "panics: core: negative WaitGroup counter",
			why: "the text names the package",
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				wg.Add(1)
				wg.Done()
				return outcomeOf(wg.Done)
			},
		},
		{
			name:   "after one Done too many, an Add of 1 makes a task",
			ofSync: "does not", ofCore: "does",
			why: "a refused Add leaves the counter as it was",
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				outcomeOf(wg.Done)
				wg.Add(1)
				blocked, ended := blocks(wg.Wait)
				if blocked {
					wg.Done()
					<-ended
					return "does"
				}
				return "does not"
			},
		},
		{
			name:   "a counter above 2^31-1 panics",
			ofSync: "panics: sync: negative WaitGroup counter", ofCore: "panics: core: WaitGroup counter above 2147483647",
			why: "the text says what is wrong",
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				wg.Add(math.MaxInt32)
				return outcomeOf(func() { wg.Add(1) })
			},
		},
		{
			name: "wait returns when both goroutines have ended, a thousand times", same: "returns",
			do: func(t *testing.T, impl wgImpl, _ waitGroup) string {
				for range 1000 {
					wg := impl.new()
					var n atomic.Int32
					for range 2 {
						wg.Add(1)
						go func() { n.Add(1); wg.Done() }()
					}
					wg.Wait()
					if n.Load() != 2 {
						return "released too soon"
					}
				}
				return "returns"
			},
		},
		{
			name: "an Add of a negative number is as many Dones", same: "returns",
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				wg.Add(3)
				blocked, ended := blocks(wg.Wait)
				if !blocked {
					return "released too soon"
				}
				wg.Add(-3)
				<-ended
				return "returns"
			},
		},
		{
			name: "an Add of 0 on a zero counter does nothing", same: "returns",
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				return outcomeOf(func() { wg.Add(0); wg.Wait() })
			},
		},
		{
			name: "inside a struct behind a byte it works", same: "returns",
			do: func(t *testing.T, impl wgImpl, _ waitGroup) string {
				var x struct {
					_      byte
					ofSync sync.WaitGroup
					_      byte
					ofCore core.WaitGroup
				}
				wg := impl.of(&x.ofSync, &x.ofCore)
				wg.Add(1)
				go wg.Done()
				return outcomeOf(wg.Wait)
			},
		},
		{
			name: "in a bubble, time goes on while all wait", same: "returns after 1s",
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				wg.Add(1)
				go func() {
					time.Sleep(time.Second)
					wg.Done()
				}()
				start := time.Now()
				wg.Wait()
				return "returns after " + time.Since(start).String()
			},
		},
		{
			name: "in a bubble, many Adds race", same: "returns",
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				for range 100 {
					wg.Add(1)
					go func() {
						wg.Add(1)
						wg.Done()
						wg.Done()
					}()
				}
				return outcomeOf(wg.Wait)
			},
		},
		{
			name: "one bubble may use it after another, when a Wait found zero", same: "returns", noBubble: true,
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				for range 2 {
					synctest.Test(t, func(*testing.T) { wg.Add(1); wg.Done(); wg.Wait() })
				}
				return "returns"
			},
		},
		{
			name: "one bubble may use it after another, when a Done released", same: "returns", noBubble: true,
			do: func(t *testing.T, impl wgImpl, wg waitGroup) string {
				for range 2 {
					synctest.Test(t, func(*testing.T) {
						wg.Add(1)
						go wg.Wait()
						synctest.Wait()
						wg.Done()
					})
				}
				return "returns"
			},
		},
		{
			name: "a package variable that the linker allocated works in two bubbles", same: "returns", noBubble: true,
			do: func(t *testing.T, impl wgImpl, _ waitGroup) string {
				wg := impl.of(&linkedSync, &linkedCore)
				for range 2 {
					synctest.Test(t, func(*testing.T) { wg.Add(1); go wg.Done(); wg.Wait() })
				}
				return "returns"
			},
		},
		{
			name: "a package variable that points to the heap works in two bubbles", same: "returns", noBubble: true,
			do: func(t *testing.T, impl wgImpl, _ waitGroup) string {
				wg := impl.of(heapSync, heapCore)
				for range 2 {
					synctest.Test(t, func(*testing.T) {
						wg.Add(1)
						go wg.Wait()
						synctest.Wait()
						wg.Done()
					})
				}
				return "returns"
			},
		},
		{
			name:   "a package variable that the linker allocated lets time go on",
			ofSync: "does not", ofCore: "does", noBubble: true,
			why: "what ours parks on belongs to the bubble of whoever waits, wherever the WaitGroup is",
			do: func(t *testing.T, impl wgImpl, _ waitGroup) string {
				wg := impl.of(&linkedSync, &linkedCore)
				var added, rescued atomic.Bool
				if impl.name == "sync" { // whose bubble stands still until somebody outside calls Done
					go func() {
						for n := 0; n < 10_000; n++ {
							if !added.Load() {
								n = 0
							}
							runtime.Gosched()
						}
						rescued.Store(true)
						wg.Done()
					}()
				}
				synctest.Test(t, func(*testing.T) {
					wg.Add(1)
					added.Store(true)
					go func() {
						time.Sleep(time.Hour)
						if !rescued.Load() {
							wg.Done()
						}
					}()
					wg.Wait()
					time.Sleep(time.Hour)
				})
				return either(rescued.Load(), "does not", "does")
			},
		},
		{
			name:   "an Add outside a bubble and one inside",
			ofSync: "fatal error: sync: WaitGroup.Add called from inside and outside synctest bubble", ofCore: "returns",
			why: "ours is not bound to a bubble", child: true, noBubble: true,
			do: func(t *testing.T, impl wgImpl, _ waitGroup) string {
				wg := impl.of(movedSync, movedCore)
				wg.Add(1)
				synctest.Test(t, func(*testing.T) { wg.Add(1) })
				return "returns"
			},
		},
		{
			name:   "Adds in two bubbles without a Wait between them",
			ofSync: "fatal error: sync: WaitGroup.Add called from multiple synctest bubbles", ofCore: "returns",
			why: "ours is not bound to a bubble", child: true, noBubble: true,
			do: func(t *testing.T, impl wgImpl, _ waitGroup) string {
				wg := impl.of(sharedSync, sharedCore)
				for range 2 {
					synctest.Test(t, func(*testing.T) { wg.Add(1) })
				}
				return "returns"
			},
		},
		{
			name:   "a wait in a bubble for a task outside it",
			ofSync: "returns", ofCore: "panic: deadlock: main bubble goroutine has exited but blocked goroutines remain",
			why:   "a Wait in a bubble is durably blocking, also then",
			child: true, noBubble: true,
			do: func(t *testing.T, impl wgImpl, _ waitGroup) string {
				wg := impl.of(outsideSync, outsideCore)
				wg.Add(1)
				returned := make(chan struct{})
				go func() {
					defer close(returned)
					synctest.Test(t, func(*testing.T) { go wg.Wait() }) //coterie:failnow this process is a child, whose end is what the test looks at
				}()
				for !hasStack("[sync.WaitGroup.Wait") { // never for ours, which ends the process
					runtime.Gosched()
				}
				wg.Done()
				<-returned
				return "returns"
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, impl := range wgImpls {
				want := row.same
				if want == "" {
					require.NotEmpty(t, row.why)
					require.NotEqual(t, row.ofSync, row.ofCore)
					want = either(impl.name == "sync", row.ofSync, row.ofCore)
				}
				t.Run(impl.name, func(t *testing.T) {
					if row.child {
						inside, output, err := child.Run(t)
						if !inside {
							require.Equal(t, want == "returns", err == nil, output)
							if err != nil {
								require.Contains(t, output, want)
							}
							return
						}
					}
					if row.noBubble {
						require.Equal(t, want, row.do(t, impl, impl.new()))
						return
					}
					synctest.Test(t, func(t *testing.T) { require.Equal(t, want, row.do(t, impl, impl.new())) })
				})
			}
		})
	}
}

// hasStack reports whether the stack traces of all goroutines contain a text.
func hasStack(text string) bool {
	stacks := make([]byte, 1<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(text))
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func TestWaitGroupCounter(t *testing.T) {
	t.Run("count is the number of tasks", func(t *testing.T) {
		var wg core.WaitGroup
		require.Equal(t, 0, wg.Count())
		wg.Add(3)
		require.Equal(t, 3, wg.Count())
		wg.Done()
		require.Equal(t, 2, wg.Count())
		wg.Add(-2)
		require.Equal(t, 0, wg.Count())
	})

	t.Run("has waiters as long as there are some who wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var wg core.WaitGroup
			require.False(t, wg.HasWaiters())
			wg.Wait()
			wg.Add(1)
			require.False(t, wg.HasWaiters())
			ctx, cancel := context.WithCancel(t.Context())
			var waits sync.WaitGroup
			waits.Go(wg.Wait)
			waits.Go(func() { _ = wg.WaitContext(ctx) })
			synctest.Wait()
			require.True(t, wg.HasWaiters())
			cancel()
			synctest.Wait()
			require.True(t, wg.HasWaiters())
			wg.Done()
			require.False(t, wg.HasWaiters())
			waits.Wait()

			wg.Add(1)
			require.Error(t, wg.WaitContext(ctx))
			gone, giveUp := context.WithCancel(t.Context())
			waits.Go(func() { _ = wg.WaitContext(gone) })
			synctest.Wait()
			require.True(t, wg.HasWaiters())
			giveUp()
			waits.Wait()
			require.False(t, wg.HasWaiters())
		})
	})

	t.Run("what would leave the range panics and changes nothing", func(t *testing.T) {
		const negative, above = "core: negative WaitGroup counter", "core: WaitGroup counter above 2147483647"
		for _, c := range []struct {
			counter, delta int
			text           string
		}{
			{0, -1, negative},
			{1, -2, negative},
			{0, math.MinInt32, negative},
			{5, math.MinInt32, negative},
			{math.MaxInt32, math.MinInt32, negative},
			{1, math.MaxInt32, above},
			{math.MaxInt32, 1, above},
			{math.MaxInt32, math.MaxInt32, above},
		} {
			var wg core.WaitGroup
			wg.Add(c.counter)
			require.PanicsWithValue(t, c.text, func() { wg.Add(c.delta) }, "%+v", c)
			require.Equal(t, c.counter, wg.Count(), "%+v", c)
			wg.Add(-c.counter)
			wg.Wait()
		}
	})

	t.Run("a delta that does not fit 32 bits panics and changes nothing", func(t *testing.T) {
		if math.MaxInt == math.MaxInt32 {
			t.Skip("no int is so large here")
		}
		large := math.MaxInt32
		large = large*2 + 3 // its low half is 1
		var wg core.WaitGroup
		wg.Add(7)
		require.PanicsWithValue(t, "core: WaitGroup counter above 2147483647", func() { wg.Add(large) })
		require.PanicsWithValue(t, "core: negative WaitGroup counter", func() { wg.Add(-large) })
		require.Equal(t, 7, wg.Count())
	})

	t.Run("refused calls leave waiters and tasks alone, however they meet", func(t *testing.T) {
		onProcs(t, func(t *testing.T) {
			var wg core.WaitGroup
			var all sync.WaitGroup
			var stop atomic.Bool
			all.Go(func() {
				for !stop.Load() {
					outcomeOf(func() { wg.Add(math.MinInt32) })
					runtime.Gosched()
				}
			})
			insist := func(f func()) { // an overlapping call may be refused, too
				for outcomeOf(f) != "returns" {
					runtime.Gosched()
				}
			}
			for range stormRounds() {
				insist(func() { wg.Add(1) })
				all.Go(func() { insist(wg.Done) })
				wg.Wait()
			}
			stop.Store(true)
			all.Wait()
			require.Zero(t, wg.Count())
		})
	})
}

func TestWaitGroupWaitContext(t *testing.T) {
	cause := errors.New("enough")

	t.Run("on zero it returns nil, also with a done context", func(t *testing.T) {
		var wg core.WaitGroup
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		require.NoError(t, wg.WaitContext(ctx))
	})

	t.Run("with a done context it gives up at once", func(t *testing.T) {
		var wg core.WaitGroup
		wg.Add(1)
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		require.Equal(t, cause, wg.WaitContext(ctx))
	})

	t.Run("a nil context panics", func(t *testing.T) {
		var wg core.WaitGroup
		var none context.Context
		require.PanicsWithValue(t, "core: nil context", func() { _ = wg.WaitContext(none) })
	})

	t.Run("one gives up, the others stay, in whatever order they came", func(t *testing.T) {
		for leaver := range 3 {
			synctest.Test(t, func(t *testing.T) {
				var wg core.WaitGroup
				wg.Add(1)
				ctx, cancel := context.WithCancelCause(t.Context())
				var errs [3]chan error
				for i := range errs {
					errs[i] = make(chan error, 1)
					go func() {
						if i == leaver {
							errs[i] <- wg.WaitContext(ctx)
						} else {
							wg.Wait()
							errs[i] <- nil
						}
					}()
					synctest.Wait()
				}
				cancel(cause)
				require.Equal(t, cause, <-errs[leaver])
				synctest.Wait()
				for i := range errs {
					require.Empty(t, errs[i])
				}
				wg.Done()
				for i := range errs {
					if i != leaver {
						require.NoError(t, <-errs[i])
					}
				}
				wg.Wait()
			})
		}
	})

	t.Run("released and cancelled at once it returns nil", func(t *testing.T) {
		for range 20 { // select takes either
			synctest.Test(t, func(t *testing.T) {
				var wg core.WaitGroup
				wg.Add(1)
				ctx, cancel := context.WithCancelCause(t.Context())
				errs := make(chan error)
				go func() { errs <- wg.WaitContext(ctx) }()
				synctest.Wait()
				wg.Done()
				cancel(cause)
				wg.Add(1) // the next round has nothing to do with it
				require.NoError(t, <-errs)
			})
		}
	})

	t.Run("cancelled and released at once it may return either", func(t *testing.T) {
		for range 20 {
			synctest.Test(t, func(t *testing.T) {
				var wg core.WaitGroup
				wg.Add(1)
				ctx, cancel := context.WithCancelCause(t.Context())
				errs := make(chan error)
				go func() { errs <- wg.WaitContext(ctx) }()
				synctest.Wait()
				cancel(cause)
				wg.Done()
				if err := <-errs; err != nil {
					require.Equal(t, cause, err)
				}
				wg.Wait()
			})
		}
	})

	t.Run("it gives up at the deadline and can be called again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var wg core.WaitGroup
			wg.Add(1)
			start := time.Now()
			for i := range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				require.Equal(t, context.DeadlineExceeded, wg.WaitContext(ctx))
				require.Equal(t, time.Duration(i+1)*time.Second, time.Since(start))
				cancel()
			}
			time.AfterFunc(time.Second, wg.Done)
			require.NoError(t, wg.WaitContext(t.Context()))
			require.Equal(t, 4*time.Second, time.Since(start))
		})
	})
}

// A Done that makes the counter zero releases waiters a little later: here, after
// other rounds have begun, or in any other order.
func TestWaitGroupLateRelease(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			var wg core.WaitGroup
			var ended [3][2]chan struct{}
			var rest [3]func()
			for round := range rest {
				wg.Add(1)
				for i := range ended[round] {
					_, ended[round][i] = blocks(wg.Wait)
				}
				rest[round] = wg.DoneHalf()
			}
			wg.Add(1) // and a round that goes on
			ctx, cancel := context.WithCancel(t.Context())
			stillBlocked, patient := blocks(wg.Wait)
			require.True(t, stillBlocked)
			stillBlocked, impatient := blocks(func() { _ = wg.WaitContext(ctx) })
			require.True(t, stillBlocked)

			latest := -1
			for _, round := range order {
				rest[round]()
				synctest.Wait()
				latest = max(latest, round)
				for r := range ended {
					for _, ch := range ended[r] {
						select {
						case <-ch:
							require.LessOrEqual(t, r, latest, "released early")
						default:
							require.Greater(t, r, latest, "not released")
						}
					}
				}
			}
			require.Equal(t, 1, wg.Count())
			select {
			case <-patient:
				t.Error("released early")
			case <-impatient:
				t.Error("released early")
			default:
			}
			cancel()
			<-impatient
			wg.Done()
			<-patient
		})
	}
}

// Numbers have more bits than the word has for them, so that these begin again at zero.
func TestWaitGroupOldAge(t *testing.T) {
	for _, waiters := range []int64{1<<31 - 3, 1<<31 - 2, 1<<31 - 1, 1 << 31, 1<<33 - 1} {
		synctest.Test(t, func(t *testing.T) {
			var wg core.WaitGroup
			wg.Age(waiters)
			wg.Wait()
			for n := range 3 {
				wg.Add(1)
				var ended []chan struct{}
				for range n + 1 {
					blocked, ch := blocks(wg.Wait)
					require.True(t, blocked)
					ended = append(ended, ch)
				}
				wg.Done()
				for _, ch := range ended {
					<-ch
				}
			}
		})
	}
}

// Reuse: rounds follow each other without a pause, so that Add and Wait come
// while the waiters of the round before are still waking. A lost waiter hangs.
func TestWaitGroupReuseStorms(t *testing.T) {
	t.Run("every goroutine adds, ends and waits", func(t *testing.T) {
		onProcs(t, func(t *testing.T) {
			var wg core.WaitGroup
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range stormRounds() {
						wg.Add(1)
						go func() { shake(); wg.Done() }()
						wg.Wait()
						shake()
					}
				})
			}
			all.Wait()
			require.Zero(t, wg.Count())
		})
	})

	t.Run("nobody is released early", func(t *testing.T) {
		onProcs(t, func(t *testing.T) {
			// Two goroutines take turns. One begins its round as soon as the
			// counter is zero, while the other may be about to release those
			// who waited for its own. A waiter that came in a round with a
			// task in it must not return before that has ended.
			var wg core.WaitGroup
			var all sync.WaitGroup
			var begun, ended, turn atomic.Int64
			rounds := int64(stormRounds())
			for i := range int64(2) {
				all.Go(func() {
					for round := i + 1; round <= rounds; round += 2 {
						for turn.Load() != round-1 || wg.Count() != 0 {
							runtime.Gosched()
						}
						wg.Add(1)
						begun.Store(round)
						runtime.Gosched()
						shake()
						ended.Store(round)
						turn.Store(round)
						wg.Done()
					}
				})
			}
			for i := range 4 {
				all.Go(func() {
					for round := int64(0); round < rounds; {
						round = begun.Load()
						if i == 0 {
							ctx, cancel := context.WithCancel(context.Background())
							go cancel()
							err := wg.WaitContext(ctx)
							runtime.Gosched()
							if err != nil {
								continue
							}
						} else {
							wg.Wait()
						}
						if ended.Load() < round {
							t.Error("released early")
						}
						runtime.Gosched()
					}
				})
			}
			all.Wait()
		})
	})

	t.Run("waiters give up at every point", func(t *testing.T) {
		onProcs(t, func(t *testing.T) {
			var wg core.WaitGroup
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range stormRounds() {
						ctx, cancel := context.WithCancel(context.Background())
						wg.Add(1)
						go func() { shake(); cancel() }()
						go func() { shake(); wg.Done() }()
						if err := wg.WaitContext(ctx); err != nil && err != context.Canceled {
							t.Error(err)
						}
					}
				})
			}
			all.Go(func() {
				for range stormRounds() {
					wg.Wait()
					shake()
				}
			})
			all.Wait()
			wg.Wait()
			require.Zero(t, wg.Count())
		})
	})
}

func TestWaitGroupAllocations(t *testing.T) {
	if race.Hidden || testing.CoverMode() != "" {
		t.Skip("sync.Pool drops things in such a build")
	}
	var wg core.WaitGroup
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		wg.Add(1)
		wg.Done()
		wg.Wait()
		_ = wg.Count()
		_ = wg.WaitContext(context.Background())
	}))
}

// On 32-bit platforms an int64 in a struct is aligned to 4 bytes only, and an
// atomic operation on it faults or tears. atomic.Uint64 brings its alignment
// along, wherever the struct that holds it is put.
func TestAlignment(t *testing.T) {
	type odd struct {
		_  byte
		wg core.WaitGroup
		_  byte
		s  core.Semaphore
		_  byte
	}
	var three struct {
		_ byte
		a [3]odd
		_ uint32
		b odd
	}
	for _, o := range []*odd{&three.a[0], &three.a[1], &three.a[2], &three.b, new(odd)} {
		require.Zero(t, uintptr(unsafe.Pointer(&o.wg))%8)
		require.Zero(t, uintptr(unsafe.Pointer(&o.s))%8)
		o.wg.Add(math.MaxInt32)
		o.wg.Add(-math.MaxInt32 + 1)
		go o.wg.Done()
		o.wg.Wait()
		o.s.SetLimit(2)
		require.NoError(t, o.s.Acquire(t.Context(), 2))
		go o.s.Release(1)
		require.NoError(t, o.s.Acquire(t.Context(), 1))
		require.EqualValues(t, 2, o.s.InUse())
	}
}
