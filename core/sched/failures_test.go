package sched

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
)

func TestCombineCountsAPanicOnce(t *testing.T) {
	a, b := core.NewPanicError("a"), core.NewPanicError("b")
	p := Combine(a, b, a, nil, b)
	require.Equal(t, "a", p.Value)
	require.Equal(t, []*core.PanicError{b}, p.Others)
	require.Zero(t, p.More)
}

func TestWithTask(t *testing.T) {
	outer := &record{path: "outer"}
	require.Nil(t, outer.withTask(nil))
	p := core.NewPanicError("boom")
	require.Same(t, p, (*record)(nil).withTask(p))
	inner := (&record{path: "inner"}).withTask(p)
	require.Equal(t, "inner", inner.Task)
	require.Empty(t, p.Task)
	require.Same(t, inner, outer.withTask(inner), "the innermost task keeps its path")
}
