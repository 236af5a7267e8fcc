package group_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
)

//go:noinline
func fetch(release chan struct{}) { <-release }

//go:noinline
func store(release chan struct{}) { <-release }

func TestStuckError(t *testing.T) {
	stuck := func(t *testing.T, g *group.Group, after time.Duration) *core.StuckError {
		ctx, cancel := context.WithTimeoutCause(t.Context(), after, errors.New("shutdown took too long"))
		defer cancel()
		var stuck *core.StuckError
		require.ErrorAs(t, g.WaitContext(ctx), &stuck)
		return stuck
	}

	t.Run("it names each task with its start and the place where it stands, the oldest first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Name: "ingest"})
			release := make(chan struct{})
			defer g.Wait()
			defer close(release)
			start := time.Now()
			g.GoNamed("store", func() { store(release) })
			time.Sleep(time.Second)
			g.Go(func() { fetch(release) })
			time.Sleep(time.Second)
			require.NoError(t, g.GoContext(t.Context(), func(context.Context) { fetch(release) }))
			g.GoNamed("quick", func() {})
			got := stuck(t, g, time.Minute)
			require.Equal(t, "ingest", got.Owner)
			require.Equal(t, 3, got.Running)
			require.Len(t, got.Tasks, 3)
			for i, want := range []struct{ name, place string }{
				{"ingest/store", "group_test.store("}, {"ingest", "group_test.fetch("}, {"ingest", "group_test.fetch("},
			} {
				require.Equal(t, want.name, got.Tasks[i].Name)
				require.Equal(t, start.Add(time.Duration(i)*time.Second), got.Tasks[i].Started)
				require.Contains(t, string(got.Tasks[i].Stack), want.place)
				require.NotContains(t, string(got.Tasks[i].Stack), "coterie/group.", "the engine's frames")
				require.NotContains(t, string(got.Tasks[i].Stack), "coterie/core.", "the engine's frames")
			}
		})
	})

	t.Run("printed, it is short, and equal stacks are one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Name: "ingest"})
			release := make(chan struct{})
			defer g.Wait()
			defer close(release)
			g.GoNamed("store", func() { store(release) })
			time.Sleep(1500 * time.Millisecond)
			for range 3 {
				g.GoNamed("fetch", func() { fetch(release) })
				time.Sleep(time.Second)
			}
			text := stuck(t, g, time.Minute).Error()
			for _, varies := range []struct{ pattern, by string }{
				{`goroutine \d+ .*`, "goroutine N [chan receive]:"},
				{`\(0x.*\)`, "(...)"},
				{`\t.*/(.*):\d+.*`, "\t$1"},
				{`(TestStuckError).*`, "$1"},
			} {
				text = regexp.MustCompile(varies.pattern).ReplaceAllString(text, varies.by)
			}
			require.Equal(t, strings.TrimSpace(`
group "ingest": 4 running: shutdown took too long

ingest/store, for 1m4.5s
goroutine N [chan receive]:
github.com/coterie-go/coterie/group_test.store(...)
	stuckerror_test.go
github.com/coterie-go/coterie/group_test.TestStuckError
	stuckerror_test.go

3 × ingest/fetch, for 1m3s
goroutine N [chan receive]:
github.com/coterie-go/coterie/group_test.fetch(...)
	stuckerror_test.go
github.com/coterie-go/coterie/group_test.TestStuckError
	stuckerror_test.go
`), text)
		})
	})

	t.Run("a task that shares its goroutine is found at its own place", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Name: "ingest"})
			release := make(chan struct{})
			defer g.Wait()
			defer close(release)
			for range 100 {
				g.GoNamed("short", func() {})
			}
			g.GoNamed("long", func() { fetch(release) })
			got := stuck(t, g, time.Minute)
			require.Len(t, got.Tasks, 1)
			require.Equal(t, "ingest/long", got.Tasks[0].Name)
			require.Contains(t, string(got.Tasks[0].Stack), "group_test.fetch(")
		})
	})

	t.Run("an unnamed group says how many", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			release := make(chan struct{})
			defer g.Wait()
			defer close(release)
			g.Go(func() { fetch(release) })
			g.GoNamed("one", func() { fetch(release) })
			got := stuck(t, &g, time.Minute)
			require.Equal(t, 2, got.Running)
			require.Len(t, got.Tasks, 1)
			require.Equal(t, "one", got.Tasks[0].Name)
			require.True(t, strings.HasPrefix(got.Error(), "group: 2 running: shutdown took too long\n\none, for 1m0s\n"), got.Error())
		})
	})
}

// Giving up on very many named tasks reads no stacks: what that takes is bounded.
func TestStuckErrorOfVeryManyTasks(t *testing.T) {
	if race.Hidden {
		t.Skip("the race detector has no room for so many goroutines")
	}
	const n = sched.MaxStacks + 100
	g := group.New(group.Options{Name: "crawl"})
	hold := make(chan struct{})
	var begun sync.WaitGroup
	begun.Add(n)
	for range n {
		g.GoNamed("page", func() { begun.Done(); <-hold })
	}
	begun.Wait()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no time"))
	var stuck *core.StuckError
	require.ErrorAs(t, g.WaitContext(ctx), &stuck)
	close(hold)
	g.Wait()
	require.Equal(t, n, stuck.Running)
	require.Len(t, stuck.Tasks, n)
	for _, task := range stuck.Tasks {
		if task.Stack != nil {
			t.Fatal("a stack was read")
		}
	}
	text := stuck.Error()
	require.Less(t, len(text), 200)
	require.Contains(t, text, `group "crawl": 10100 running: no time`)
	require.Contains(t, text, "10100 × crawl/page")
}
