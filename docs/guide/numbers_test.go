package guide_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/grouptest"
	"github.com/coterie-go/coterie/group/service"
	"github.com/coterie-go/coterie/group/tree"
	"github.com/coterie-go/coterie/pool"
)

// panicText returns the text of the panic of f, or "".
func panicText(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text, _ = v.(string)
		}
	}()
	f()
	return ""
}

// atOnce returns how many of 100 tasks run at once before the first ends. It is called in a bubble.
func atOnce(start func(f func())) int {
	var n atomic.Int32
	hold := make(chan struct{})
	go func() {
		for range 100 {
			start(func() { n.Add(1); <-hold })
		}
	}()
	synctest.Wait()
	got := n.Load()
	close(hold)
	return int(got)
}

func succeed(context.Context) (int, error) { return 7, nil }

var errRow = errors.New("failed")

func fail(context.Context) (int, error) { return 0, errRow }

// rows has a check for each row of numbers.md. Each runs in a bubble.
var rows = map[string]func(t *testing.T){
	"group.Options.Limit": func(t *testing.T) {
		g := group.New(group.Options{Limit: 0})
		require.Equal(t, 100, atOnce(g.Go))
		g.Wait()
		require.Equal(t, "group: negative limit, got -1", panicText(func() { group.New(group.Options{Limit: -1}) }))
	},
	"group.Group.SetLimit": func(t *testing.T) {
		g := group.New(group.Options{Limit: 3})
		g.SetLimit(0)
		require.False(t, g.TryGo(func() {}))
		g.SetLimit(-1)
		require.Equal(t, 100, atOnce(g.Go))
		g.Wait()
	},
	"group.Options.Semaphore": func(t *testing.T) {
		g := group.New(group.Options{Semaphore: nil, Name: "x"})
		require.Equal(t, 100, atOnce(g.Go))
		g.Wait()
	},
	"group.Options.OnPanic": func(t *testing.T) {
		const text = "group: OnPanic is required by, and only for, the policy Capture"
		require.Equal(t, text, panicText(func() { group.New(group.Options{Panics: core.Capture}) }))
		require.Equal(t, text, panicText(func() { group.New(group.Options{OnPanic: func(*core.PanicError) {}}) }))
	},
	"group.Observer.Queued, Started, Ended": func(t *testing.T) {
		stop := group.Observe(&group.Observer{})
		var g group.Group
		g.GoNamed("x", func() {})
		g.Wait()
		stop()
	},
	"errgroup.Options.Limit": func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Limit: 0})
		require.Equal(t, 100, atOnce(func(f func()) { g.Go(func() error { f(); return nil }) }))
		require.NoError(t, g.Wait())
		require.Equal(t, "errgroup: negative limit, got -1",
			panicText(func() { errgroup.New(t.Context(), errgroup.Options{Limit: -1}) }))
	},
	"errgroup.Group.SetLimit": func(t *testing.T) {
		g := new(errgroup.Group)
		g.SetLimit(0)
		require.False(t, g.TryGo(func() error { return nil }))
		g.SetLimit(-1)
		require.Equal(t, 100, atOnce(func(f func()) { g.Go(func() error { f(); return nil }) }))
		require.NoError(t, g.Wait())
	},
	"errgroup.Options.Semaphore": func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Semaphore: nil, Collect: true})
		require.Equal(t, 100, atOnce(func(f func()) { g.Go(func() error { f(); return nil }) }))
		require.NoError(t, g.Wait())
	},
	"errgroup.Options.MaxErrors": func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, MaxErrors: 0})
		for range 100 {
			g.Go(func() error { return errRow })
		}
		require.Len(t, errgroup.Errors(g.Wait()), 100)
		require.Equal(t, "errgroup: negative MaxErrors, got -1",
			panicText(func() { errgroup.New(t.Context(), errgroup.Options{Collect: true, MaxErrors: -1}) }))
	},
	"errgroup.Group.Cancel": func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		g.Cancel(nil)
		require.Equal(t, context.Canceled, context.Cause(ctx))
		require.Equal(t, context.Canceled, g.Wait())
	},
	"errgroup.RaceOptions.Stagger": func(t *testing.T) {
		var n atomic.Int32
		start := time.Now()
		slow := func(context.Context) (int, error) { n.Add(1); time.Sleep(time.Second); return 7, nil }
		_, err := errgroup.Race(t.Context(), errgroup.RaceOptions[int]{Stagger: 0}, slow, slow, slow)
		require.NoError(t, err)
		require.EqualValues(t, 3, n.Load())
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, "errgroup: negative stagger, got -1ns", panicText(func() {
			_, _ = errgroup.Race(t.Context(), errgroup.RaceOptions[int]{Stagger: -1}, slow)
		}))
	},
	"errgroup.RaceOptions.Discard": func(t *testing.T) {
		v, err := errgroup.Race(t.Context(), errgroup.RaceOptions[int]{Discard: nil}, succeed, succeed)
		require.NoError(t, err)
		require.Equal(t, 7, v)
	},
	"errgroup.RaceOptions.Permanent": func(t *testing.T) {
		v, err := errgroup.Race(t.Context(), errgroup.RaceOptions[int]{Permanent: nil}, fail, succeed)
		require.NoError(t, err)
		require.Equal(t, 7, v)
	},
	"errgroup.Quorum n": func(t *testing.T) {
		got, err := errgroup.Quorum(t.Context(), 0, errgroup.RaceOptions[int]{}, func(context.Context) (int, error) { panic("ran") })
		require.NoError(t, err)
		require.Empty(t, got)
		require.Equal(t, "errgroup: negative quorum, got -1", panicText(func() {
			_, _ = errgroup.Quorum(t.Context(), -1, errgroup.RaceOptions[int]{}, succeed)
		}))
	},
	"errgroup.Gather, Settle of no functions": func(t *testing.T) {
		got, err := errgroup.Gather[int](t.Context())
		require.NoError(t, err)
		require.Empty(t, got)
		require.Empty(t, errgroup.Settle[int](t.Context()))
	},
	"errgroup.Race of no functions": func(t *testing.T) {
		_, err := errgroup.Race(t.Context(), errgroup.RaceOptions[int]{})
		require.EqualError(t, err, "errgroup: race of no functions")
	},
	"pool.New workers": func(t *testing.T) {
		p := pool.New(0, pool.Options{})
		require.Equal(t, runtime.GOMAXPROCS(0), atOnce(p.Go))
		p.Close()
		require.Equal(t, "pool: negative workers, got -1", panicText(func() { pool.New(-1, pool.Options{}) }))
	},
	"a zero pool.Pool": func(t *testing.T) {
		p := new(pool.Pool)
		require.Equal(t, runtime.GOMAXPROCS(0), atOnce(p.Go))
		p.Close()
	},
	"pool.Pool.SetWorkers": func(t *testing.T) {
		p := pool.New(3, pool.Options{})
		p.SetWorkers(0)
		var ran atomic.Bool
		p.Go(func() { ran.Store(true) })
		synctest.Wait()
		require.False(t, ran.Load())
		p.SetWorkers(1)
		p.Close()
		require.True(t, ran.Load())
		require.Equal(t, "pool: negative workers, got -1", panicText(func() { p.SetWorkers(-1) }))
	},
	"pool.Options.Queue": func(t *testing.T) {
		p := pool.New(1, pool.Options{Queue: 0})
		p.SetWorkers(0)
		n := 0
		for p.TryGo(func() {}) {
			n++
		}
		require.Equal(t, 1024, n)
		p.SetWorkers(1)
		p.Close()
		require.Equal(t, "pool: negative queue, got -1", panicText(func() { pool.New(1, pool.Options{Queue: -1}) }))
	},
	"pool.Options.IdleAfter": func(t *testing.T) {
		p := pool.New(1, pool.Options{IdleAfter: 0}) //coterie:unwaited its tasks have ended
		p.Go(func() {})
		time.Sleep(time.Second - 1)
		require.Equal(t, 1, p.Stats().Workers)
		time.Sleep(2)
		require.Zero(t, p.Stats().Workers)
		require.Equal(t, "pool: negative IdleAfter, got -1ns", panicText(func() { pool.New(1, pool.Options{IdleAfter: -1}) }))
	},
	"pool.Options.OnPanic": func(t *testing.T) {}, // pool's TestCrash
	"pool.Submit p": func(t *testing.T) {
		require.Equal(t, "pool: nil pool", panicText(func() { _, _ = pool.Submit(t.Context(), nil, succeed) }))
	},
	"pool.NewKeyed perKey": func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		for n, text := range map[int]string{0: "pool: perKey less than 1, got 0", -1: "pool: perKey less than 1, got -1"} {
			require.Equal(t, text, panicText(func() { pool.NewKeyed[int](p, n) }))
		}
	},
	"a loop's workers": func(t *testing.T) {
		for _, workers := range []int{0, -1, math.MinInt} {
			var now, most atomic.Int32
			require.NoError(t, pool.For(t.Context(), workers, 100, func(context.Context, int) error {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Second)
				now.Add(-1)
				return nil
			}))
			require.EqualValues(t, runtime.GOMAXPROCS(0), most.Load())
		}
	},
	"pool.For n": func(t *testing.T) {
		require.NoError(t, pool.For(t.Context(), 1, 0, func(context.Context, int) error { panic("ran") }))
		require.Equal(t, "pool: negative count, got -1", panicText(func() {
			_ = pool.For(t.Context(), 1, -1, func(context.Context, int) error { return nil })
		}))
	},
	"pool.MapSlice in": func(t *testing.T) {
		for _, in := range [][]int{nil, {}} {
			out, err := pool.MapSlice(t.Context(), 1, in, func(context.Context, int) (int, error) { panic("ran") })
			require.NoError(t, err)
			require.Empty(t, out)
		}
	},
	"pool.Chunk n": func(t *testing.T) {
		for n, text := range map[int]string{0: "pool: chunks of less than 1 item, got 0", -1: "pool: chunks of less than 1 item, got -1"} {
			require.Equal(t, text, panicText(func() { pool.Chunk(t.Context(), slices.Values([]int{1}), n, 0) }))
		}
	},
	"pool.Chunk wait": func(t *testing.T) {
		slow := func(yield func(int) bool) {
			for i := range 4 {
				time.Sleep(time.Hour)
				if !yield(i) {
					return
				}
			}
		}
		require.Equal(t, [][]int{{0, 1}, {2, 3}}, slices.Collect(pool.Chunk(t.Context(), slow, 2, 0)))
		require.Equal(t, "pool: negative wait, got -1ns", panicText(func() { pool.Chunk(t.Context(), slow, 2, -1) }))
	},
	"pool.Merge of no inputs": func(t *testing.T) {
		require.Empty(t, slices.Collect(pool.Merge[int](t.Context())))
	},
	"core.NewSemaphore, Semaphore.SetLimit": func(t *testing.T) {
		for _, sem := range []*core.Semaphore{core.NewSemaphore(0), new(core.Semaphore)} {
			require.False(t, sem.TryAcquire(1))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, sem.Acquire(ctx, 5), context.DeadlineExceeded)
			require.Equal(t, "core: negative semaphore limit, got -1", panicText(func() { sem.SetLimit(-1) }))
		}
		require.Equal(t, "core: negative semaphore limit, got -1", panicText(func() { core.NewSemaphore(-1) }))
	},
	"core.Semaphore.Acquire, TryAcquire, Release n": func(t *testing.T) {
		sem := core.NewSemaphore(1)
		require.NoError(t, sem.Acquire(t.Context(), 0))
		require.True(t, sem.TryAcquire(0))
		sem.Release(0)
		require.Zero(t, sem.InUse())
		require.NoError(t, sem.Acquire(t.Context(), 1))
		go func() { _ = sem.Acquire(t.Context(), 1) }()
		synctest.Wait()
		require.False(t, sem.TryAcquire(0), "one waits before it")
		sem.Release(1)
		synctest.Wait()
		for _, f := range []func(){func() { _ = sem.Acquire(t.Context(), -1) }, func() { sem.TryAcquire(-1) }, func() { sem.Release(-1) }} {
			require.Contains(t, panicText(f), "-1")
		}
	},
	"core.WaitGroup.Add": func(t *testing.T) {
		var wg core.WaitGroup
		wg.Add(0)
		require.Zero(t, wg.Count())
		wg.Add(2)
		wg.Add(-1)
		require.Equal(t, 1, wg.Count())
		require.Equal(t, "core: negative WaitGroup counter", panicText(func() { wg.Add(-2) }))
		require.Equal(t, 1, wg.Count())
	},
	"service.Options.Grace": func(t *testing.T) {
		slow := service.Service{Name: "slow", Run: func(ctx context.Context, ready func()) error {
			ready()
			<-ctx.Done()
			time.Sleep(1000 * time.Hour)
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, service.Run(ctx, service.Options{Grace: 0}, slow))
		require.Error(t, service.Run(t.Context(), service.Options{Grace: -1}, slow))
	},
	"service.Service.Grace": func(t *testing.T) {
		end := make(chan struct{})
		slow := service.Service{Name: "slow", Grace: 0, Run: func(ctx context.Context, ready func()) error {
			ready()
			<-ctx.Done()
			<-end
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.Error(t, service.Run(ctx, service.Options{Grace: time.Minute}, slow))
		require.Equal(t, time.Second+time.Minute, time.Since(start))
		close(end)
		slow.Grace = -1
		require.Error(t, service.Run(t.Context(), service.Options{}, slow))
	},
	"service.Options.StartWithin": func(t *testing.T) {
		slow := service.Service{Name: "slow", Run: func(context.Context, func()) error { time.Sleep(1000 * time.Hour); return nil }}
		require.NoError(t, service.Run(t.Context(), service.Options{StartWithin: 0}, slow))
		require.Error(t, service.Run(t.Context(), service.Options{StartWithin: -1}, slow))
	},
	"service.Restart.Max": func(t *testing.T) {
		n := 0
		bad := service.Service{Name: "bad", Run: func(context.Context, func()) error { n++; return errRow }}
		require.ErrorIs(t, service.Run(t.Context(), service.Options{}, bad), errRow)
		require.Equal(t, 1, n)
		bad.Restart.Max = -1
		require.NotErrorIs(t, service.Run(t.Context(), service.Options{}, bad), errRow)
		require.Equal(t, 1, n)
	},
	"service.Restart.Within": func(t *testing.T) {
		n := 0
		bad := service.Service{Name: "bad", Restart: service.Restart{Max: 3}, Run: func(context.Context, func()) error {
			n++
			time.Sleep(time.Hour)
			return errRow
		}}
		require.ErrorIs(t, service.Run(t.Context(), service.Options{}, bad), errRow)
		require.Equal(t, 4, n)
		bad.Restart.Within = -1
		require.NotErrorIs(t, service.Run(t.Context(), service.Options{}, bad), errRow)
		require.Equal(t, 4, n)
	},
	"grouptest.Patience d": func(t *testing.T) {
		for _, d := range []time.Duration{0, -1} {
			require.NotEmpty(t, panicText(func() { grouptest.Patience(t, d) }))
		}
	},
	"service.Service.Run": func(t *testing.T) {
		require.EqualError(t, service.Run(t.Context(), service.Options{}, service.Service{Name: "a"}), "service: a: nil Run")
	},
	"service.Service.After": func(t *testing.T) {
		start := time.Now()
		job := service.Service{Name: "job", After: nil, Run: func(context.Context, func()) error { return nil }}
		require.NoError(t, service.Run(t.Context(), service.Options{}, job))
		require.Zero(t, time.Since(start))
	},
	"service.Restart.Backoff": func(t *testing.T) {
		for _, backoff := range []func(int) time.Duration{nil, func(int) time.Duration { return 0 }, func(int) time.Duration { return -1 }} {
			n, start := 0, time.Now()
			bad := service.Service{Name: "bad", Restart: service.Restart{Max: 3, Backoff: backoff}, Run: func(context.Context, func()) error {
				n++
				return errRow
			}}
			require.Error(t, service.Run(t.Context(), service.Options{}, bad))
			require.Equal(t, 4, n)
			require.Zero(t, time.Since(start))
		}
	},
	"service.Options.Observe, Logger, Signals": func(t *testing.T) {
		job := service.Service{Name: "job", Run: func(context.Context, func()) error { return nil }}
		require.NoError(t, service.Run(t.Context(), service.Options{}, job))
	},
}

var tableRow = regexp.MustCompile(`(?m)^\| ([^|]+) \|.*\|$`)

func TestNumbers(t *testing.T) {
	text, err := os.ReadFile("numbers.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "|---|---|---|---|\n")
	require.True(t, ok)
	table, _, ok = strings.Cut(table, "\n\n") // the second table is that of another module
	require.True(t, ok)
	var names []string
	for _, m := range tableRow.FindAllStringSubmatch(table, -1) {
		names = append(names, m[1])
	}
	require.Len(t, names, len(rows))
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, rows, name)
			synctest.Test(t, rows[name])
		})
	}
	for _, options := range []any{
		group.Options{}, group.Observer{}, errgroup.Options{}, errgroup.RaceOptions[int]{}, pool.Options{},
		service.Options{}, service.Service{}, service.Restart{}, tree.Options{},
	} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(options)) {
			of, _, _ := strings.Cut(reflect.TypeOf(options).String(), "[")
			t.Run("the table has "+of+"."+field.Name, func(t *testing.T) {
				switch field.Type.Kind() {
				case reflect.Bool, reflect.String, reflect.Struct:
					return // is no number, and cannot be nil
				}
				if field.Type == reflect.TypeFor[core.PanicPolicy]() {
					return // is no number either
				}
				require.True(t, slices.ContainsFunc(names, func(row string) bool {
					fields, ok := strings.CutPrefix(row, of+".")
					return ok && slices.Contains(strings.Split(fields, ", "), field.Name)
				}))
			})
		}
	}
}

// A nil context, function or sequence panics at the call.
func TestNil(t *testing.T) {
	var none context.Context
	var noSeq iter.Seq[int]
	var g group.Group
	var e errgroup.Group
	p := pool.New(1, pool.Options{})
	b := p.Batch(t.Context())
	k := pool.NewKeyed[int](p, 1)
	items := slices.Values([]int{1})
	f := func(context.Context, int) (int, error) { return 0, nil }
	for _, call := range []func(){
		func() { g.Go(nil) }, func() { g.TryGo(nil) }, func() { _ = g.GoContext(t.Context(), nil) }, func() { g.GoNamed("x", nil) },
		func() { _ = g.GoContext(none, func(context.Context) {}) }, func() { _ = g.WaitContext(none) }, func() { group.Run(nil) },
		func() { group.Fork[int](&g, nil) }, func() { g.Background(t.Context(), nil) }, func() { g.Background(none, func(context.Context) {}) },
		func() { group.Observe(nil) },
		func() { e.Go(nil) }, func() { e.TryGo(nil) }, func() { _ = e.GoContext(t.Context(), nil) }, func() { e.Background(nil) },
		func() { _ = e.WaitContext(none) }, func() { errgroup.WithContext(none) }, func() { _ = errgroup.Run(t.Context(), nil) },
		func() { p.Go(nil) }, func() { p.TryGo(nil) }, func() { _ = p.GoContext(t.Context(), nil) }, func() { _ = p.WaitContext(none) },
		func() { _ = p.Shutdown(none) }, func() { p.Batch(none) }, func() { b.Go(nil) }, func() { _ = b.WaitContext(none) },
		func() { _ = k.GoContext(t.Context(), 1, nil) }, func() { _ = k.Replace(t.Context(), 1, nil) }, func() { _ = k.WaitKey(none, 1) },
		func() { _ = pool.For(none, 1, 1, func(context.Context, int) error { return nil }) }, func() { _ = pool.For(t.Context(), 1, 1, nil) },
		func() { pool.Map(t.Context(), 1, noSeq, f) }, func() { pool.Map[int, int](t.Context(), 1, items, nil) },
		func() { pool.Chunk(t.Context(), noSeq, 1, 0) }, func() { pool.Merge(t.Context(), noSeq) }, func() { pool.Keep[int, int](nil) },
	} {
		require.Regexp(t, `^(core|group|errgroup|pool): nil (func|context|seq|observer)$`, panicText(call))
	}
	p.Close()
}
