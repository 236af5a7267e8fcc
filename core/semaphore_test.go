package core_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

type weightedSemaphore interface {
	Acquire(ctx context.Context, n int64) error
	TryAcquire(n int64) bool
	Release(n int64)
}

// What semaphore.Weighted of golang.org/x/sync does, and what ours does. It has
// every case of semaphore/semaphore_test.go.
func TestSemaphoreBehaviour(t *testing.T) {
	background := context.Background()
	tries := func(oks ...bool) (s string) {
		for _, ok := range oks {
			s += either(ok, "1", "0")
		}
		return s
	}
	errorOf := func(err error) string {
		if err == nil {
			return "nil"
		}
		return err.Error()
	}
	for _, row := range []struct {
		name    string
		same    string // the outcome of both, or
		ofXSync string
		ofCore  string
		why     string // the difference is intended
		do      func(t *testing.T, make func(limit int64) weightedSemaphore) string
	}{
		{
			name: "hammered with every weight it never stops", same: "returns",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(8)
				var all sync.WaitGroup
				for n := range int64(8) {
					all.Go(func() {
						for range 200 {
							_ = s.Acquire(background, n)
							time.Sleep(rand.N(time.Millisecond))
							s.Release(n)
						}
					})
				}
				all.Wait()
				return "returns"
			},
		},
		{
			name:    "release of what nobody has taken panics",
			ofXSync: "panics: semaphore: released more than held",
			ofCore:  "panics: core: release of more permits than are in use, got 1",
			why:     "the text names the package and the value",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(1)
				return outcomeOf(func() { s.Release(1) })
			},
		},
		{
			name:    "after such a release there are no more permits than before",
			ofXSync: "1", ofCore: "0", why: "a panic leaves the state as it was",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(1)
				outcomeOf(func() { s.Release(1) })
				return tries(s.TryAcquire(2))
			},
		},
		{
			name:    "a negative limit panics",
			ofXSync: "panics: semaphore: size < 0", ofCore: "panics: core: negative semaphore limit, got -1",
			why: "the text names the package and the value",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				return outcomeOf(func() { make(-1) })
			},
		},
		{
			name:    "Acquire of a negative weight panics",
			ofXSync: "panics: semaphore: n < 0", ofCore: "panics: core: negative weight, got -1",
			why: "the text names the package and the value",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				return outcomeOf(func() { _ = make(1).Acquire(background, -1) })
			},
		},
		{
			name:    "TryAcquire of a negative weight panics",
			ofXSync: "panics: semaphore: n < 0", ofCore: "panics: core: negative weight, got -1",
			why: "the text names the package and the value",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				return outcomeOf(func() { make(1).TryAcquire(-1) })
			},
		},
		{
			name:    "Release of a negative weight panics",
			ofXSync: "panics: semaphore: n < 0", ofCore: "panics: core: negative weight, got -1",
			why: "the text names the package and the value",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				return outcomeOf(func() { make(1).Release(-1) })
			},
		},
		{
			name: "TryAcquire of 0 with a limit of 0 succeeds", same: "1",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string { return tries(make(0).TryAcquire(0)) },
		},
		{
			name: "TryAcquire succeeds while there is room", same: "1010",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(2)
				_ = s.Acquire(background, 1)
				a, b := s.TryAcquire(1), s.TryAcquire(1)
				s.Release(2)
				c := s.TryAcquire(1)
				_ = s.Acquire(background, 1)
				return tries(a, b, c, s.TryAcquire(1))
			},
		},
		{
			name: "Acquire waits until its deadline", same: "1010",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(2)
				try := func() bool {
					ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
					defer cancel()
					return s.Acquire(ctx, 1) == nil
				}
				_ = s.Acquire(background, 1)
				a, b := try(), try()
				s.Release(2)
				c := try()
				_ = s.Acquire(background, 1)
				return tries(a, b, c, try())
			},
		},
		{
			name: "a weight above the limit does not hold up the others", same: "returns",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(2)
				ctx, cancel := context.WithCancel(background)
				defer cancel()
				go s.Acquire(ctx, 3)
				var all sync.WaitGroup
				for range 6 {
					all.Go(func() {
						if s.Acquire(ctx, 1) == nil {
							time.Sleep(time.Millisecond)
							s.Release(1)
						}
					})
				}
				all.Wait()
				return "returns"
			},
		},
		{
			name:    "a weight above the limit",
			ofXSync: "waits until the context is done: context deadline exceeded",
			ofCore:  "returns at once: core: weight above the semaphore's limit",
			why:     "waiting is no use: ErrWeight says so",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				ctx, cancel := context.WithTimeout(background, time.Second)
				defer cancel()
				start := time.Now()
				err := make(2).Acquire(ctx, 3)
				return either(time.Since(start) == 0, "returns at once: ", "waits until the context is done: ") + errorOf(err)
			},
		},
		{
			name: "a large Acquire does not starve", same: "returns",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				const n = 8
				s := make(n)
				var stop atomic.Bool
				var all sync.WaitGroup
				for range n {
					_ = s.Acquire(background, 1)
					all.Go(func() {
						for !stop.Load() {
							time.Sleep(time.Millisecond)
							s.Release(1)
							_ = s.Acquire(background, 1)
						}
						s.Release(1)
					})
				}
				_ = s.Acquire(background, n)
				stop.Store(true)
				s.Release(n)
				all.Wait()
				return "returns"
			},
		},
		{
			name: "who gives up at the head wakes whoever now fits", same: "nil",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(10)
				_ = s.Acquire(background, 1)
				ctx, cancel := context.WithCancel(background)
				defer cancel()
				go s.Acquire(ctx, 10)
				synctest.Wait()
				go cancel()
				return errorOf(s.Acquire(background, 1))
			},
		},
		{
			name: "a context that was done before there was room makes Acquire fail", same: "context canceled, and both permits are free",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(2)
				_ = s.Acquire(background, 1)
				ctx, cancel := context.WithCancel(background)
				go func() {
					synctest.Wait()
					cancel()
					s.Release(1)
				}()
				err := s.Acquire(ctx, 2)
				synctest.Wait()
				return errorOf(err) + either(s.TryAcquire(2), ", and both permits are free", "")
			},
		},
		{
			name: "a context that is done makes Acquire fail although there is room", same: "context canceled",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				ctx, cancel := context.WithCancel(background)
				cancel()
				return errorOf(make(2).Acquire(ctx, 1))
			},
		},
		{
			name:    "the error of a done context",
			ofXSync: "context canceled", ofCore: "enough", why: "the cause says more",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				ctx, cancel := context.WithCancelCause(background)
				cancel(errors.New("enough"))
				return errorOf(make(2).Acquire(ctx, 1))
			},
		},
		{
			name: "TryAcquire does not pass a queued waiter", same: "0",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(2)
				_ = s.Acquire(background, 1)
				blocked, ended := blocks(func() { _ = s.Acquire(background, 2) })
				require.True(t, blocked)
				ok := s.TryAcquire(1)
				s.Release(1)
				<-ended
				return tries(ok)
			},
		},
		{
			name: "those who wait are served in the order in which they came", same: "0 1 2 3 ",
			do: func(t *testing.T, make func(int64) weightedSemaphore) string {
				s := make(3)
				_ = s.Acquire(background, 3)
				var order string
				for i := range 4 {
					go func() {
						_ = s.Acquire(background, 3)
						order += string(rune('0'+i)) + " "
						s.Release(3)
					}()
					synctest.Wait()
				}
				s.Release(3)
				synctest.Wait()
				return order
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, impl := range []struct {
				name string
				make func(limit int64) weightedSemaphore
			}{
				{"xsync", func(limit int64) weightedSemaphore { return semaphore.NewWeighted(limit) }},
				{"core", func(limit int64) weightedSemaphore { return core.NewSemaphore(limit) }},
			} {
				want := row.same
				if want == "" {
					require.NotEmpty(t, row.why)
					require.NotEqual(t, row.ofXSync, row.ofCore)
					want = either(impl.name == "xsync", row.ofXSync, row.ofCore)
				}
				t.Run(impl.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { require.Equal(t, want, row.do(t, impl.make)) })
				})
			}
		})
	}
}

// requireAtRest checks that nothing is taken, that nobody waits, and that there
// are as many permits as the limit says.
func requireAtRest(t *testing.T, s *core.Semaphore, limit int64) {
	t.Helper()
	require.Equal(t, limit, s.Limit())
	require.Zero(t, s.InUse())
	require.Zero(t, s.Waiting())
	require.True(t, s.TryAcquire(limit))
	require.False(t, s.TryAcquire(1))
	s.Release(limit)
}

func TestSemaphoreGivingUp(t *testing.T) {
	cause := errors.New("enough")
	background := context.Background()

	t.Run("a nil context panics", func(t *testing.T) {
		var none context.Context
		require.PanicsWithValue(t, "core: nil context", func() { _ = core.NewSemaphore(1).Acquire(none, 1) })
	})

	t.Run("in each place of the queue", func(t *testing.T) {
		for leaver := range 3 {
			synctest.Test(t, func(t *testing.T) {
				s := core.NewSemaphore(4)
				require.NoError(t, s.Acquire(t.Context(), 3))
				ctx, cancel := context.WithCancelCause(t.Context())
				errs := make([]chan error, 3)
				for i := range errs {
					errs[i] = make(chan error, 1)
					go func() {
						if i == leaver {
							errs[i] <- s.Acquire(ctx, 2)
						} else {
							errs[i] <- s.Acquire(background, 2)
						}
					}()
					synctest.Wait()
				}
				require.Equal(t, 3, s.Waiting())
				cancel(cause)
				require.Equal(t, cause, <-errs[leaver])
				require.Equal(t, 2, s.Waiting())
				require.EqualValues(t, 3, s.InUse())
				s.Release(3)
				for i := range errs {
					if i != leaver {
						require.NoError(t, <-errs[i])
					}
				}
				s.Release(4)
				requireAtRest(t, s, 4)
			})
		}
	})

	t.Run("at the head it wakes all who now fit and none who does not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := core.NewSemaphore(5)
			require.NoError(t, s.Acquire(t.Context(), 1))
			ctx, cancel := context.WithCancelCause(t.Context())
			_, heavy := blocks(func() { require.Equal(t, cause, s.Acquire(ctx, 5)) })
			_, one := blocks(func() { _ = s.Acquire(background, 1) })
			_, three := blocks(func() { _ = s.Acquire(background, 3) })
			_, last := blocks(func() { _ = s.Acquire(background, 1) })
			require.Equal(t, 4, s.Waiting())
			cancel(cause)
			<-heavy
			<-one
			<-three
			synctest.Wait()
			require.Equal(t, 1, s.Waiting())
			require.EqualValues(t, 5, s.InUse())
			s.Release(1)
			<-last
			s.Release(5)
			requireAtRest(t, s, 5)
		})
	})

	t.Run("what was granted to one who gives up goes to the next", func(t *testing.T) {
		for _, cancelFirst := range []bool{false, true} {
			for range 20 { // select takes either
				synctest.Test(t, func(t *testing.T) {
					s := core.NewSemaphore(1)
					require.NoError(t, s.Acquire(t.Context(), 1))
					ctx, cancel := context.WithCancelCause(t.Context())
					errs := make(chan error)
					go func() { errs <- s.Acquire(ctx, 1) }()
					synctest.Wait()
					_, next := blocks(func() { _ = s.Acquire(background, 1) })
					if cancelFirst {
						cancel(cause)
						s.Release(1)
					} else {
						s.Release(1)
						cancel(cause)
					}
					if err := <-errs; err == nil && !cancelFirst {
						s.Release(1) // it went on before its context was done
					} else {
						require.Equal(t, cause, err, "a done context means failure")
					}
					<-next
					s.Release(1)
					requireAtRest(t, s, 1)
				})
			}
		}
	})

	t.Run("at the deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := core.NewSemaphore(1)
			require.NoError(t, s.Acquire(t.Context(), 1))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			require.Equal(t, context.DeadlineExceeded, s.Acquire(ctx, 1))
			require.Equal(t, time.Minute, time.Since(start))
			s.Release(1)
			requireAtRest(t, s, 1)
		})
	})
}

func TestSemaphoreLimit(t *testing.T) {
	background := context.Background()

	t.Run("raising it wakes whoever now fits, in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := core.NewSemaphore(2)
			require.NoError(t, s.Acquire(background, 2))
			_, two := blocks(func() { _ = s.Acquire(background, 2) })
			_, one := blocks(func() { _ = s.Acquire(background, 1) })
			s.SetLimit(3)
			synctest.Wait()
			require.Equal(t, 2, s.Waiting(), "one must not pass two")
			s.SetLimit(4)
			<-two
			s.SetLimit(5)
			<-one
			s.Release(5)
			requireAtRest(t, s, 5)
		})
	})

	t.Run("lowering it lets holders finish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := core.NewSemaphore(4)
			require.NoError(t, s.Acquire(background, 4))
			s.SetLimit(2)
			require.EqualValues(t, 4, s.InUse())
			require.EqualValues(t, 2, s.Limit())
			require.False(t, s.TryAcquire(0), "an Acquire of 0 waits for its turn")
			_, one := blocks(func() { _ = s.Acquire(background, 1) })
			s.Release(2)
			synctest.Wait()
			require.Equal(t, 1, s.Waiting())
			s.Release(1)
			<-one
			require.EqualValues(t, 2, s.InUse())
			s.Release(2)
			requireAtRest(t, s, 2)
		})
	})

	t.Run("lowering it refuses those who wait for more, and serves those behind", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := core.NewSemaphore(5)
			require.NoError(t, s.Acquire(background, 1))
			errs := make(chan error, 2)
			_, _ = blocks(func() { errs <- s.Acquire(background, 5) })
			_, one := blocks(func() { _ = s.Acquire(background, 1) })
			_, _ = blocks(func() { errs <- s.Acquire(background, 4) })
			s.SetLimit(3)
			require.Equal(t, core.ErrWeight, <-errs)
			require.Equal(t, core.ErrWeight, <-errs)
			<-one
			require.Equal(t, core.ErrWeight, s.Acquire(background, 4))
			require.False(t, s.TryAcquire(4))
			s.Release(2)
			requireAtRest(t, s, 3)
		})
	})

	t.Run("0 pauses and refuses nobody", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := core.NewSemaphore(2)
			s.SetLimit(0)
			_, two := blocks(func() { _ = s.Acquire(background, 2) })
			_, one := blocks(func() { _ = s.Acquire(background, 1) })
			require.False(t, s.TryAcquire(1))
			require.Equal(t, 2, s.Waiting())
			s.SetLimit(0)
			require.Equal(t, 2, s.Waiting())
			s.SetLimit(3)
			<-two
			<-one
			s.Release(3)
			requireAtRest(t, s, 3)
		})
	})

	t.Run("the zero value is paused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var s core.Semaphore
			require.False(t, s.TryAcquire(1))
			_, ended := blocks(func() { _ = s.Acquire(background, 1) })
			s.SetLimit(1)
			<-ended
		})
	})

	t.Run("a negative one panics and changes nothing", func(t *testing.T) {
		s := core.NewSemaphore(2)
		require.PanicsWithValue(t, "core: negative semaphore limit, got -3", func() { s.SetLimit(-3) })
		requireAtRest(t, s, 2)
	})

	t.Run("too large for the word it works the same", func(t *testing.T) {
		for _, limit := range []int64{math.MaxInt32 - 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64 - 1, math.MaxInt64} {
			synctest.Test(t, func(t *testing.T) {
				s := core.NewSemaphore(limit)
				require.True(t, s.TryAcquire(limit))
				require.Equal(t, limit, s.InUse())
				require.False(t, s.TryAcquire(1))
				require.False(t, s.TryAcquire(math.MaxInt64))
				require.True(t, s.TryAcquire(0))
				_, ended := blocks(func() { _ = s.Acquire(background, limit-1) })
				s.Release(limit - 1)
				<-ended
				require.PanicsWithValue(t, fmt.Sprintf("core: release of more permits than are in use, got %d", limit), func() {
					s.Release(1)
					s.Release(limit)
				})
				require.Equal(t, limit-1, s.InUse())
				s.SetLimit(1)
				require.EqualValues(t, 1, s.Limit())
				s.Release(s.InUse())
				requireAtRest(t, s, 1)
			})
		}
	})
}

func TestSemaphoreStorms(t *testing.T) {
	background := context.Background()

	t.Run("never over the limit, and nobody is lost", func(t *testing.T) {
		onProcs(t, func(t *testing.T) {
			const limit = 3
			s := core.NewSemaphore(limit)
			var held atomic.Int64
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					for range stormRounds() {
						n := rand.Int64N(limit + 1)
						if i%2 == 0 {
							assert.NoError(t, s.Acquire(background, n))
						} else {
							ctx, cancel := context.WithCancel(background)
							go func() { shake(); cancel() }()
							if s.Acquire(ctx, n) != nil {
								continue
							}
						}
						if held.Add(n) > limit {
							t.Error("over the limit")
						}
						shake()
						held.Add(-n)
						s.Release(n)
					}
				})
			}
			all.Go(func() {
				for range stormRounds() {
					if s.TryAcquire(1) {
						if held.Add(1) > limit {
							t.Error("over the limit")
						}
						shake()
						held.Add(-1)
						s.Release(1)
					}
					runtime.Gosched()
				}
			})
			all.Wait()
			requireAtRest(t, s, limit)
		})
	})

	t.Run("the limit changes all the time", func(t *testing.T) {
		onProcs(t, func(t *testing.T) {
			s := core.NewSemaphore(1)
			var held atomic.Int64
			var all, resizer sync.WaitGroup
			var stop atomic.Bool
			limits := []int64{0, 1, 2, 3, 4, math.MaxInt32 + 1}
			resizer.Go(func() {
				for !stop.Load() {
					s.SetLimit(limits[rand.IntN(len(limits))])
					shake()
					runtime.Gosched()
				}
				s.SetLimit(4)
			})
			for i := range 8 {
				all.Go(func() {
					for range stormRounds() {
						n := 1 + rand.Int64N(4)
						ctx, cancel := background, func() {}
						if i%2 == 0 {
							c, stop := context.WithCancel(background)
							ctx, cancel = c, stop
							go func() { shake(); stop() }()
						}
						err := s.Acquire(ctx, n)
						if err == nil {
							held.Add(n)
							if rand.N(2) == 0 {
								shake()
							}
							held.Add(-n)
							s.Release(n)
						} else if err != core.ErrWeight && err != context.Canceled {
							t.Error(err)
						}
						cancel()
					}
				})
			}
			all.Wait()
			stop.Store(true)
			resizer.Wait()
			require.Zero(t, held.Load())
			requireAtRest(t, s, 4)
		})
	})

	t.Run("TryAcquire does not fail while there is room", func(t *testing.T) {
		onProcs(t, func(t *testing.T) {
			s := core.NewSemaphore(2)
			var all sync.WaitGroup
			all.Go(func() {
				for range 20 * stormRounds() {
					s.SetLimit(2) // takes the lock
				}
			})
			for range 2 {
				all.Go(func() {
					for range 20 * stormRounds() {
						if !s.TryAcquire(1) {
							t.Error("there was room")
							return
						}
						s.Release(1)
					}
				})
			}
			all.Wait()
		})
	})
}

// A package variable works in one bubble after another, also with a queue.
var packageSemaphore = core.NewSemaphore(1)

func TestSemaphoreInBubbles(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			require.NoError(t, packageSemaphore.Acquire(t.Context(), 1))
			start := time.Now()
			time.AfterFunc(time.Hour, func() { packageSemaphore.Release(1) })
			time.AfterFunc(2*time.Hour, func() { packageSemaphore.Release(1) })
			require.NoError(t, packageSemaphore.Acquire(context.Background(), 1))
			require.Equal(t, time.Hour, time.Since(start))
			require.NoError(t, packageSemaphore.Acquire(t.Context(), 1))
			require.Equal(t, 2*time.Hour, time.Since(start))
			packageSemaphore.Release(1)
		})
	}
}

func TestSemaphoreAllocations(t *testing.T) {
	if race.Hidden || testing.CoverMode() != "" {
		t.Skip("sync.Pool drops things in such a build")
	}
	s := core.NewSemaphore(2)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = s.Acquire(ctx, 2)
		s.TryAcquire(1)
		s.Release(2)
	}))
}

// A lateContext is done before its Done says so.
type lateContext struct {
	context.Context
	done  chan struct{} // stays open
	ended atomic.Bool
}

func (c *lateContext) Done() <-chan struct{} { return c.done }

func (c *lateContext) Err() error {
	if c.ended.Load() {
		return context.Canceled
	}
	return nil
}

func TestAcquireWhoseContextEndsWithItsWait(t *testing.T) {
	for name, end := range map[string]struct {
		by   func(s *core.Semaphore)
		want error
	}{
		"gives back what it was granted, and lets the next one in": {func(s *core.Semaphore) { s.Release(3) }, context.Canceled},
		"and that was for too much says so":                        {func(s *core.Semaphore) { s.SetLimit(1); s.Release(3) }, core.ErrWeight},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := core.NewSemaphore(3)
				require.NoError(t, s.Acquire(t.Context(), 3))
				ctx := &lateContext{Context: t.Context(), done: make(chan struct{})}
				first, next := make(chan error, 1), make(chan error, 1)
				go func() { first <- s.Acquire(ctx, 3) }()
				synctest.Wait()
				go func() { next <- s.Acquire(t.Context(), 1) }()
				synctest.Wait()
				ctx.ended.Store(true)
				end.by(s)
				synctest.Wait()
				require.Equal(t, end.want, <-first)
				require.NoError(t, <-next)
				require.EqualValues(t, 1, s.InUse())
				require.Zero(t, s.Waiting())
			})
		})
	}
}
