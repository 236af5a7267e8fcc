package sched_test

import (
	"context"
	"runtime/pprof"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func TestSchedulersAreTheInnermostFirst(t *testing.T) {
	outer, inner := group.New(group.Options{Name: "outer"}), group.New(group.Options{Name: "inner"})
	p := pool.New(1, pool.Options{Name: "pool"})
	defer p.Close()
	ofSchedulers := func(ctx context.Context) (names []string) {
		for s := range sched.Schedulers(ctx) {
			names = append(names, s.Config.Name)
		}
		return names
	}
	var kept context.Context
	require.NoError(t, outer.GoContext(t.Context(), func(ctx context.Context) {
		require.NoError(t, p.GoContext(ctx, func(ctx context.Context) {
			assert.NoError(t, inner.GoContext(ctx, func(ctx context.Context) {
				kept = ctx
				require.Equal(t, []string{"inner", "pool", "outer"}, ofSchedulers(ctx))
				for s := range sched.Schedulers(ctx) { // also if the loop ends early
					require.Equal(t, "inner", s.Config.Name)
					break
				}
			}))
			inner.Wait()
			assert.Equal(t, []string{"pool", "outer"}, ofSchedulers(kept))
			assert.Equal(t, []string{"pool", "outer"}, ofSchedulers(ctx))
		}))
		p.Wait()
	}))
	outer.Wait()
	require.Empty(t, ofSchedulers(kept))
	require.Empty(t, slices.Collect(sched.Schedulers(t.Context())))
}

func TestWithName(t *testing.T) {
	label := func(ctx context.Context) string {
		v, _ := pprof.Label(ctx, "coterie")
		return v
	}
	outer, path := sched.WithName(t.Context(), "outer")
	require.Equal(t, []string{"outer", "outer", "outer"}, []string{path, sched.Path(outer), label(outer)})
	inner, path := sched.WithName(outer, "inner")
	require.Equal(t, []string{"outer/inner", "outer/inner", "outer/inner"}, []string{path, sched.Path(inner), label(inner)})
	same, path := sched.WithName(inner, "")
	require.Equal(t, "outer/inner", path)
	require.Equal(t, inner, same)
	none, path := sched.WithName(t.Context(), "")
	require.Empty(t, path)
	require.Equal(t, t.Context(), none)
	require.Empty(t, slices.Collect(sched.Schedulers(inner)), "a name is no task")

	g := group.New(group.Options{Name: "g"})
	require.NoError(t, g.GoContext(inner, func(ctx context.Context) {
		require.Equal(t, []string{"outer/inner/g", "outer/inner/g"}, []string{sched.Path(ctx), label(ctx)})
		named, path := sched.WithName(ctx, "more")
		require.Equal(t, []string{"outer/inner/g/more", "outer/inner/g/more"}, []string{path, label(named)})
	}))
	g.Wait()
}
