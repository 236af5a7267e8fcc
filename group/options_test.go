package group_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

func TestBadInput(t *testing.T) {
	var g group.Group
	var noContext context.Context
	onPanic := func(*core.PanicError) {}
	const wantsOnPanic = "group: OnPanic is required by, and only for, the policy Capture"
	for _, bad := range []struct {
		want string
		call func()
	}{
		{"group: nil func", func() { g.Go(nil) }},
		{"group: nil func", func() { g.TryGo(nil) }},
		{"group: nil func", func() { g.GoNamed("name", nil) }},
		{"group: nil func", func() { _ = g.GoContext(t.Context(), nil) }},
		{"group: nil func", func() { group.Run(nil) }},
		{"group: nil func", func() { group.Fork[int](&g, nil) }},
		{"group: nil context", func() { _ = g.GoContext(noContext, func(context.Context) {}) }},
		{"group: nil context", func() { _ = g.WaitContext(noContext) }},
		{"core: nil context", func() { _, _ = new(core.Future[int]).GetContext(noContext) }},
		{"group: negative limit, got -1", func() { group.New(group.Options{Limit: -1}) }},
		{"group: unknown panic policy, got 3", func() { group.New(group.Options{Panics: 3}) }},
		{wantsOnPanic, func() { group.New(group.Options{Panics: core.Capture}) }},
		{wantsOnPanic, func() { group.New(group.Options{OnPanic: onPanic}) }},
		{wantsOnPanic, func() { group.New(group.Options{Panics: core.Crash, OnPanic: onPanic}) }},
	} {
		require.Equal(t, bad.want, caught(bad.call))
	}
	require.Zero(t, g.Running())
	g.Wait()
}
