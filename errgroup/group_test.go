package errgroup_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
)

func TestGroup(t *testing.T) {
	boom := errors.New("boom")

	t.Run("the first error cancels the context and is what wait returns", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		g.Go(func() error { <-ctx.Done(); return ctx.Err() })
		g.Go(func() error { return boom })
		require.Equal(t, boom, g.Wait())
		require.Equal(t, boom, context.Cause(ctx))
	})

	t.Run("errors are collected in the order of start", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Collect: true})
		second := make(chan struct{})
		g.Go(func() error { <-second; return errors.New("one") })
		g.Go(func() error { defer close(second); return errors.New("two") })
		g.Go(func() error { return nil })
		require.EqualError(t, g.Wait(), "one; two")
		require.Error(t, ctx.Err())
	})

	t.Run("a panic cancels the siblings and is raised by wait", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		g.Go(func() error { <-ctx.Done(); return ctx.Err() })
		g.Go(func() error { panic(boom) })
		p := caught(func() { _ = g.Wait() }).(*core.PanicError)
		require.ErrorIs(t, p, boom)
	})

	t.Run("a captured panic is the error", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Panics: group.Capture})
		g.Go(func() error { panic(boom) })
		err := g.Wait()
		require.ErrorIs(t, err, boom)
		require.IsType(t, (*core.PanicError)(nil), err)
	})
}

func TestCompositions(t *testing.T) {
	one := func(context.Context) (int, error) { return 1, nil }
	two := func(context.Context) (string, error) { return "two", nil }
	bad := func(context.Context) (int, error) { return 0, errors.New("bad") }
	a, b, err := errgroup.All2(t.Context(), one, two)
	require.NoError(t, err)
	require.Equal(t, 1, a)
	require.Equal(t, "two", b)
	all, err := errgroup.Gather(t.Context(), one, one)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, all)
	v, err := errgroup.Race(t.Context(), errgroup.RaceOptions[int]{}, bad, one)
	require.NoError(t, err)
	require.Equal(t, 1, v)
	_, err = errgroup.Race(t.Context(), errgroup.RaceOptions[int]{}, bad, bad)
	require.EqualError(t, err, "bad; bad")
	all, err = errgroup.Quorum(t.Context(), 2, one, bad, one)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, all)
	err = errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
		f := errgroup.Fork(g, func() (int, error) { return 7, nil })
		v, err := f.Get()
		require.Equal(t, 7, v)
		return err
	})
	require.NoError(t, err)
}
