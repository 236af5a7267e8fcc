package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	gotrace "runtime/trace"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/exp/trace"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// traced returns the tasks and regions of the trace of f whose names begin with prefix, in
// the order of the trace: "task NAME", "end NAME", "region NAME in TASK", "leave NAME".
func traced(t *testing.T, prefix string, f func()) (found []string) {
	var buf bytes.Buffer
	require.NoError(t, gotrace.Start(&buf))
	f()
	gotrace.Stop()
	r, err := trace.NewReader(&buf)
	require.NoError(t, err)
	tasks := make(map[trace.TaskID]string)
	for {
		e, err := r.ReadEvent()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		text, name := "", ""
		switch e.Kind() {
		case trace.EventTaskBegin:
			name = e.Task().Type
			tasks[e.Task().ID] = name
			text = "task " + name
			if parent := tasks[e.Task().Parent]; parent != "" {
				text += " in " + parent
			}
		case trace.EventTaskEnd:
			name = tasks[e.Task().ID]
			text = "end " + name
		case trace.EventRegionBegin:
			name = e.Region().Type
			text = fmt.Sprintf("region %s in %s", name, tasks[e.Region().Task])
		case trace.EventRegionEnd:
			name = e.Region().Type
			text = "leave " + name
		}
		if name != "" && strings.HasPrefix(name, prefix) {
			found = append(found, text)
		}
	}
}

func TestTrace(t *testing.T) {
	t.Run("scopes are tasks and named tasks are regions", func(t *testing.T) {
		got := traced(t, "ingest", func() {
			require.NoError(t, errgroup.RunWith(t.Context(), errgroup.Options{Name: "ingest"}, func(ctx context.Context, g *errgroup.Group) error {
				g.GoNamed("parse", func() error { return nil })
				return g.GoContext(ctx, func(ctx context.Context) error {
					return errgroup.RunWith(ctx, errgroup.Options{Name: "fetch"}, func(ctx context.Context, g *errgroup.Group) error {
						g.GoNamed("page", func() error { return nil })
						return nil
					})
				})
			}))
		})
		require.Equal(t, "task ingest", got[0])
		require.Equal(t, "end ingest", got[len(got)-1])
		slices.Sort(got)
		require.Equal(t, []string{
			"end ingest", "end ingest/fetch", "leave ingest", "leave ingest/fetch/page", "leave ingest/parse",
			"region ingest in ingest", "region ingest/fetch/page in ingest/fetch", "region ingest/parse in ingest",
			"task ingest", "task ingest/fetch in ingest",
		}, got)
	})

	t.Run("a task that panics leaves its region, and an owner ends once", func(t *testing.T) {
		got := traced(t, "ends", func() {
			g := group.New(group.Options{Name: "ends"})
			g.Go(func() { panic("boom") })
			require.Panics(t, g.Wait)
			g.Go(func() {})
			g.Wait()
		})
		slices.Sort(got)
		require.Equal(t, []string{"end ends", "leave ends", "leave ends", "region ends in ends", "region ends in ends", "task ends"}, got)
	})

	t.Run("an owner that was made before is no task", func(t *testing.T) {
		p := pool.New(1, pool.Options{Name: "older"})
		got := traced(t, "older", func() {
			p.Go(func() {})
			p.Close()
		})
		require.Equal(t, []string{"region older in ", "leave older"}, got)
	})

	t.Run("what has no name is not there", func(t *testing.T) {
		got := traced(t, "", func() {
			group.Run(func(g *group.Group) { g.Go(func() {}) })
		})
		require.Empty(t, got)
	})
}
