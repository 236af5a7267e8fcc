package group_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group"
)

// labelled returns how many goroutines at a place carry which pprof labels, as a
// goroutine profile shows it.
func labelled(t *testing.T, place string) map[string]int {
	var profile bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
	count := make(map[string]int)
	for stack := range bytes.SplitSeq(profile.Bytes(), []byte("\n\n")) {
		if !bytes.Contains(stack, []byte(place)) {
			continue
		}
		n := regexp.MustCompile(`(?m)^(\d+) @`).FindSubmatch(stack)
		labels := regexp.MustCompile(`(?m)^# labels: (.*)$`).FindSubmatch(stack)
		require.NotNil(t, n, "%s", stack)
		number, err := strconv.Atoi(string(n[1]))
		require.NoError(t, err)
		if labels == nil {
			count[""] += number
		} else {
			count[string(labels[1])] += number
		}
	}
	return count
}

//go:noinline
func standHere(at *sync.WaitGroup, release chan struct{}) { at.Done(); <-release }

func TestNames(t *testing.T) {
	const place = "group_test.standHere+"
	// Each of these starts n tasks by way of start.
	stand := func(n int, start func(f func()), release chan struct{}) {
		var at sync.WaitGroup
		at.Add(n)
		for range n {
			start(func() { standHere(&at, release) })
		}
		at.Wait()
	}

	t.Run("tasks of an unnamed group inherit the labels of the caller of go", func(t *testing.T) {
		var g group.Group
		release := make(chan struct{})
		pprof.Do(t.Context(), pprof.Labels("request", "7"), func(context.Context) {
			for range 1000 {
				g.Go(func() {}) // goroutines that may be shared with what follows
			}
			stand(1000, g.Go, release)
		})
		require.Equal(t, map[string]int{`{"request":"7"}`: 1000}, labelled(t, place))
		close(release)
		g.Wait()
	})

	t.Run("an unnamed group sets none", func(t *testing.T) {
		var g group.Group
		release := make(chan struct{})
		stand(10, g.Go, release)
		stand(5, func(f func()) { g.GoNamed("name", f) }, release)
		require.Equal(t, map[string]int{"": 15}, labelled(t, place))
		close(release)
		g.Wait()
	})

	t.Run("a named group sets its own for every task", func(t *testing.T) {
		g := group.New(group.Options{Name: "ingest"})
		release := make(chan struct{})
		pprof.Do(t.Context(), pprof.Labels("request", "7"), func(context.Context) {
			for range 100 {
				g.Go(func() { pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), pprof.Labels("left", "behind"))) })
			}
			stand(10, g.Go, release)
			stand(5, func(f func()) { g.GoNamed("fetch", f) }, release)
		})
		require.Equal(t, map[string]int{`{"coterie":"ingest"}`: 10, `{"coterie":"ingest/fetch"}`: 5}, labelled(t, place))
		close(release)
		g.Wait()
	})

	t.Run("names nest through contexts, and other labels stay", func(t *testing.T) {
		outer := group.New(group.Options{Name: "ingest"})
		inner := group.New(group.Options{Name: "fetch"})
		release := make(chan struct{})
		ctx := pprof.WithLabels(t.Context(), pprof.Labels("request", "7"))
		require.NoError(t, outer.GoContext(ctx, func(ctx context.Context) {
			stand(3, func(f func()) {
				if err := inner.GoContext(ctx, func(context.Context) { f() }); err != nil {
					t.Error(err)
				}
			}, release)
		}))
		outer.Wait()
		require.Equal(t, map[string]int{`{"coterie":"ingest/fetch", "request":"7"}`: 3}, labelled(t, place))
		close(release)
		inner.Wait()
	})

	t.Run("they show in a cpu profile", func(t *testing.T) {
		// Nothing but the labels of a profile has these two strings: a number that says that a
		// string follows, its length, and the string.
		key, value := "\x32\x07coterie", "\x32\x0bingest/hash"
		for long, profile := 50*time.Millisecond, ""; !strings.Contains(profile, value); long *= 2 {
			require.Less(t, long, 10*time.Second, "a task is on a processor now and then")
			var zipped bytes.Buffer
			require.NoError(t, pprof.StartCPUProfile(&zipped))
			g := group.New(group.Options{Name: "ingest"})
			g.GoNamed("hash", func() {
				for start := time.Now(); time.Since(start) < long; {
				}
			})
			g.Wait()
			pprof.StopCPUProfile()
			unzipped, err := gzip.NewReader(&zipped)
			require.NoError(t, err)
			text, err := io.ReadAll(unzipped)
			require.NoError(t, err)
			if profile = string(text); strings.Contains(profile, value) {
				require.Contains(t, profile, key)
			}
		}
	})
}
