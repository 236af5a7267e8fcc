package group

import (
	"context"
	"runtime/pprof"

	"github.com/coterie-go/coterie/core"
)

// settings are what Options come to. A nil *settings is that of the zero value.
type settings struct {
	base      string // the name alone
	path      string // the name within those around it
	plain     *meta  // of a task without a name of its own; nil if there is no name at all
	semaphore *core.Semaphore
	panics    PanicPolicy
	onPanic   func(*core.PanicError)
}

// newSettings returns nil if opts and ctx come to the zero value.
func newSettings(ctx context.Context, opts *Options) *settings {
	if ctx == nil {
		ctx = context.Background()
	}
	path := opts.Name
	if t := taskOf(ctx); t != nil {
		path = joinPath(t.path, opts.Name)
	}
	if path == "" && opts.Semaphore == nil && opts.Panics == Propagate {
		return nil
	}
	s := &settings{
		base:      opts.Name,
		path:      path,
		semaphore: opts.Semaphore,
		panics:    opts.Panics,
		onPanic:   opts.OnPanic,
	}
	if opts.Name != "" {
		s.plain = &meta{path: s.path, labels: labelled(ctx, s.path)}
	}
	return s
}

func (s *settings) name() string {
	if s == nil {
		return ""
	}
	return s.path
}

func (s *settings) meta() *meta {
	if s == nil {
		return nil
	}
	return s.plain
}

func (s *settings) shared() *core.Semaphore {
	if s == nil {
		return nil
	}
	return s.semaphore
}

func (s *settings) policy() PanicPolicy {
	if s == nil {
		return Propagate
	}
	return s.panics
}

// named returns the meta of a task with a name of its own.
func (s *settings) named(name string) *meta {
	m := &meta{path: joinPath(s.name(), name)}
	if s.meta() != nil {
		m.labels = pprof.WithLabels(s.plain.labels, pprof.Labels("coterie", m.path))
	}
	return m
}

// task returns the context and the meta of a task that is started with ctx.
func (s *settings) task(ctx context.Context, engine any) (context.Context, *meta) {
	t := &taskContext{engine: engine, path: s.name(), parent: taskOf(ctx)}
	if t.parent != nil {
		switch {
		case t.parent.engine == engine:
			t.path = t.parent.path
		case s != nil:
			t.path = joinPath(t.parent.path, s.base)
		default:
			t.path = t.parent.path
		}
	}
	m := &meta{path: t.path, context: t}
	ctx = context.WithValue(ctx, taskKey{}, t)
	if s.meta() != nil {
		ctx = labelled(ctx, t.path)
		m.labels = ctx
	}
	return ctx, m
}

// Scope returns a context derived from ctx in which names nest in name, and the
// path that name has there. It carries the path as pprof label. An empty name
// changes nothing.
func Scope(ctx context.Context, name string) (scope context.Context, path string) {
	t := &taskContext{path: name, parent: taskOf(ctx)}
	if t.parent != nil {
		t.path = joinPath(t.parent.path, name)
	}
	if name == "" {
		return ctx, t.path
	}
	return labelled(context.WithValue(ctx, taskKey{}, t), t.path), t.path
}

func labelled(ctx context.Context, path string) context.Context {
	return pprof.WithLabels(ctx, pprof.Labels("coterie", path))
}

func joinPath(parent, name string) string {
	if parent == "" || name == "" {
		return parent + name
	}
	return parent + "/" + name
}
