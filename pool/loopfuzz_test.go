package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/pool"
)

// A scenario is a loop whose items take given times and fail or not.
type scenario struct {
	workers int
	within  byte // 1: another loop, 2: a pool, else nothing
	leave   int  // the results after which Map's loop is left
	items   []scenarioItem
}

type scenarioItem struct {
	delay time.Duration
	fails bool
}

// newScenario makes a scenario of any bytes.
func newScenario(data []byte) scenario {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return b
	}
	s := scenario{workers: 1 + int(next()%9), within: next() % 4, leave: int(next())}
	for len(data) > 0 && len(s.items) < 200 {
		b := next()
		s.items = append(s.items, scenarioItem{delay: time.Duration(b%16) * time.Millisecond, fails: b >= 248})
	}
	return s
}

// firstFailing returns the item at which a sequential loop ends: the first that
// fails, or the number of items.
func (s scenario) firstFailing() int {
	for i, item := range s.items {
		if item.fails {
			return i
		}
	}
	return len(s.items)
}

// A record is what became of a scenario.
type record struct {
	mu       sync.Mutex
	calls    []int // of each item
	finished []int // in the order in which they did
	running  int
	most     int
}

func (s scenario) run(r *record, ctx context.Context, i int) (int, error) {
	r.mu.Lock()
	r.calls[i]++
	r.running++
	r.most = max(r.most, r.running)
	r.mu.Unlock()
	time.Sleep(s.items[i].delay)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = append(r.finished, i)
	r.running--
	if s.items[i].fails {
		return -1, itemError(i)
	}
	return i * i, nil
}

type itemError int

func (i itemError) Error() string { return fmt.Sprintf("item %d", int(i)) }

// check runs the scenario with each of the five functions and compares what becomes
// of it with what a sequential loop does.
func (s scenario) check(t *testing.T) {
	n, bad := len(s.items), s.firstFailing()
	for name, loop := range loops {
		s.inPlace(t, func(ctx context.Context) {
			r := &record{calls: make([]int, n)}
			err := loop(ctx, s.workers, n, func(ctx context.Context, i int) error {
				_, err := s.run(r, ctx, i)
				return err
			})
			s.checkCalls(t, name, r, bad == n)
			if name == "Map" && bad < n {
				require.Equal(t, itemError(bad), err)
			} else {
				s.checkFirst(t, name, r, err)
			}
		})
	}
	s.inPlace(t, func(ctx context.Context) {
		r := &record{calls: make([]int, n)}
		in := make([]int, n)
		for i := range in {
			in[i] = i
		}
		out, err := pool.MapSlice(ctx, s.workers, in, func(ctx context.Context, i int) (int, error) { return s.run(r, ctx, i) })
		require.Len(t, out, n)
		want := make([]int, n)
		for _, i := range r.finished {
			if !s.items[i].fails {
				want[i] = i * i
			}
		}
		require.Equal(t, want, out)
		s.checkFirst(t, "MapSlice", r, err)
	})
	for name, m := range map[string]mapper{"Map": pool.Map[int, int], "MapUnordered": pool.MapUnordered[int, int]} {
		s.inPlace(t, func(ctx context.Context) {
			r := &record{calls: make([]int, n)}
			in := &input{n: n}
			var got []int
			var errs []error
			for v, err := range m(ctx, s.workers, in.seq, func(ctx context.Context, i int) (int, error) { return s.run(r, ctx, i) }) {
				if err != nil {
					require.Equal(t, -1, v)
					errs = append(errs, err)
					continue
				}
				require.Empty(t, errs)
				got = append(got, v)
				require.LessOrEqual(t, int(in.pulled.Load()), len(got)-1+4*s.workers)
				if len(got) == s.leave {
					break
				}
			}
			left := len(got) == s.leave && s.leave > 0
			require.EqualValues(t, 1, in.stopped.Load())
			require.False(t, in.overlap.Load())
			s.checkCalls(t, name, r, bad == n && !left)
			if name == "Map" {
				want := bad
				if s.leave > 0 {
					want = min(want, s.leave)
				}
				require.Len(t, got, want)
				for i, v := range got {
					require.Equal(t, i*i, v)
				}
				if bad < n && !left {
					require.Equal(t, []error{itemError(bad)}, errs)
				} else {
					require.Empty(t, errs)
				}
				return
			}
			if bad == n && !left {
				require.Len(t, got, n)
			}
			// Results come in the order in which items finish; those that
			// finish at the same instant, in any.
			seen := map[int]bool{}
			for _, v := range got {
				require.False(t, seen[v])
				seen[v] = true
			}
			if !left {
				var err error
				if len(errs) > 0 {
					require.Len(t, errs, 1)
					err = errs[0]
				}
				s.checkFirst(t, name, r, err)
			}
		})
	}
}

// inPlace calls f where the scenario has its loop, in a bubble.
func (s scenario) inPlace(t *testing.T, f func(ctx context.Context)) {
	synctest.Test(t, func(t *testing.T) {
		switch s.within {
		case 1:
			_ = pool.For(t.Context(), s.workers, 1, func(ctx context.Context, _ int) error {
				f(ctx)
				return nil
			})
		case 2:
			p := pool.New(s.workers, pool.Options{Queue: 3})
			defer p.Close()
			b := p.Batch(t.Context())
			b.GoContext(t.Context(), f)
			b.Wait()
		default:
			f(t.Context())
		}
	})
}

// checkCalls checks that no item ran twice, that each did if the loop has run to
// its end, and that no more ran at once than may.
func (s scenario) checkCalls(t *testing.T, name string, r *record, complete bool) {
	for i, calls := range r.calls {
		if calls > 1 || complete && calls == 0 {
			require.Fail(t, name, "%d calls for item %d", calls, i)
		}
	}
	require.Zero(t, r.running, name)
	require.LessOrEqual(t, r.most, s.workers, name)
}

// checkFirst checks that a loop's error is that of the item that failed first,
// or of one that failed at the same instant.
func (s scenario) checkFirst(t *testing.T, name string, r *record, err error) {
	failed := []error{}
	for _, i := range r.finished {
		if s.items[i].fails {
			failed = append(failed, itemError(i))
		}
	}
	if len(failed) == 0 {
		require.NoError(t, err, name)
		return
	}
	require.Contains(t, failed, err, name)
}

func TestLoopsAgreeWithSequentialLoops(t *testing.T) {
	rounds := child.Many(50, 150)
	if raceBuild {
		rounds = 20
	}
	for seed := range uint64(rounds) {
		random := rand.New(rand.NewPCG(seed, 0))
		data := make([]byte, 3+random.IntN(60))
		for i := range data {
			data[i] = byte(random.IntN(256))
			if i >= 3 && seed%3 != 0 {
				data[i] %= 248 // nothing fails
			}
		}
		if seed%2 == 0 {
			data[2] = 0 // the loop is not left
		}
		newScenario(data).check(t)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzLoops(f *testing.F) {
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) { newScenario(data).check(t) })
}
