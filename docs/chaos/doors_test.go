package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// A door is what all owners have: the five verbs.
type door interface {
	Go(f func() error)
	TryGo(f func() error) bool
	GoContext(ctx context.Context, f func(ctx context.Context) error) error
	Wait() error
	WaitContext(ctx context.Context) error
}

// verbsOf are the methods of the owners whose tasks return nothing.
type verbsOf interface {
	Go(f func())
	TryGo(f func()) bool
	GoContext(ctx context.Context, f func(ctx context.Context)) error
	Wait()
	WaitContext(ctx context.Context) error
}

// plainDoor is the door of those.
type plainDoor struct{ verbsOf }

func (d plainDoor) Go(f func() error)         { d.verbsOf.Go(silent(f)) }
func (d plainDoor) TryGo(f func() error) bool { return d.verbsOf.TryGo(silent(f)) }
func (d plainDoor) Wait() error               { d.verbsOf.Wait(); return nil }
func (d plainDoor) GoContext(ctx context.Context, f func(ctx context.Context) error) error {
	if f == nil {
		return d.verbsOf.GoContext(ctx, nil)
	}
	return d.verbsOf.GoContext(ctx, func(ctx context.Context) { _ = f(ctx) })
}

func silent(f func() error) func() {
	if f == nil {
		return nil
	}
	return func() { _ = f() }
}

// batchDoor is the door of a batch, whose Wait leaves its error to Err.
type batchDoor struct {
	plainDoor
	b *pool.Batch
}

func (d batchDoor) Wait() error { d.b.Wait(); return d.b.Err() }

// What a door can do besides depends on its owner; nil: it cannot.
type extras struct {
	goNamed func(name string, f func() error)
	fork    func(f func() (int, error)) future
	submit  func(ctx context.Context, f func(ctx context.Context) (int, error)) (future, error)
	resize  func(n int)
	running func() int

	background func(ctx context.Context, f func(ctx context.Context) error)
}

func groupExtras(g *group.Group) extras {
	return extras{
		goNamed: func(name string, f func() error) { g.GoNamed(name, silent(f)) },
		fork:    func(f func() (int, error)) future { return group.Fork(g, f) },
		resize:  g.SetLimit,
		running: g.Running,
		background: func(ctx context.Context, f func(ctx context.Context) error) {
			g.Background(ctx, func(ctx context.Context) { _ = f(ctx) })
		},
	}
}

func errExtras(g *errgroup.Group) extras {
	return extras{
		goNamed:    g.GoNamed,
		fork:       func(f func() (int, error)) future { return errgroup.Fork(g, f) },
		resize:     g.SetLimit,
		background: func(_ context.Context, f func(ctx context.Context) error) { g.Background(f) },
	}
}

func poolExtras(p *pool.Pool) extras {
	return extras{
		submit: func(ctx context.Context, f func(ctx context.Context) (int, error)) (future, error) {
			fut, err := pool.Submit(ctx, p, f)
			if err != nil {
				return nil, err // and no future of type *Future that is nil
			}
			return fut, nil
		},
		resize: p.SetWorkers,
	}
}

// makers make the owners that are no scopes, with a context that is o's own.
var makers = map[ownerKind]func(o *ownerRun, ctx context.Context){
	groupNew: func(o *ownerRun, _ context.Context) {
		g := group.New(o.groupOptions())
		o.door, o.extras = plainDoor{g}, groupExtras(g)
	},
	errZero: func(o *ownerRun, _ context.Context) {
		g := new(errgroup.Group)
		o.door, o.extras = g, errExtras(g)
	},
	errNew: func(o *ownerRun, ctx context.Context) {
		g, ctx := errgroup.New(ctx, o.errOptions())
		o.useErrgroup(ctx, g)
	},
	poolNew: func(o *ownerRun, _ context.Context) {
		opts := pool.Options{Name: o.node.name, Queue: o.node.queue, OnPanic: o.hook}
		o.p = pool.New(o.node.limit, opts)
		o.door, o.extras = plainDoor{o.p}, poolExtras(o.p)
	},
	batchOf: func(o *ownerRun, ctx context.Context) {
		o.batch = o.pool.p.Batch(ctx)
		o.door = batchDoor{plainDoor{o.batch}, o.batch}
	},
	keyedOf: func(o *ownerRun, _ context.Context) {
		o.keyed = pool.NewKeyed[int](o.pool.p, o.node.perKey)
		o.door = keyedDoor{o.keyed}
	},
}

// scopes call the functions that are scopes.
var scopes = map[ownerKind]func(o *ownerRun, ctx context.Context, body func() error) error{
	groupRun: func(o *ownerRun, _ context.Context, body func() error) error {
		group.RunWith(o.groupOptions(), func(g *group.Group) {
			o.door, o.extras = plainDoor{g}, groupExtras(g) //coterie:escapes the fields belong to the body, which is called next
			_ = body()
		})
		return nil
	},
	errRun: func(o *ownerRun, ctx context.Context, body func() error) error {
		return errgroup.RunWith(ctx, o.errOptions(), func(ctx context.Context, g *errgroup.Group) error {
			o.useErrgroup(ctx, g)
			return body()
		})
	},
}

func (o *ownerRun) groupOptions() group.Options {
	opts := group.Options{Name: o.node.name, Limit: o.node.limit, Semaphore: o.semaphore}
	if o.node.capture {
		opts.Panics, opts.OnPanic = capture, o.hook
	}
	return opts
}

func (o *ownerRun) errOptions() errgroup.Options {
	opts := errgroup.Options{
		Name: o.node.name, Limit: o.node.limit, Semaphore: o.semaphore,
		Collect: o.node.collect, MaxErrors: o.node.maxErrors,
	}
	if o.node.capture {
		opts.Panics = capture
	}
	return opts
}

// useErrgroup gives the tasks the group's context, and cancels by the group.
func (o *ownerRun) useErrgroup(ctx context.Context, g *errgroup.Group) {
	o.ctx, o.door, o.extras = ctx, g, errExtras(g)
	o.cancel = func(cause error) {
		o.mu.Lock()
		o.cancels = append(o.cancels, cancelCall{cause, o.run.now()})
		o.mu.Unlock()
		g.Cancel(cause)
	}
}

// verb is how a task is started.
type verb int

const (
	verbGo verb = iota
	verbTryGo
	verbGoContext
	verbGoSoon // GoContext with a context that ends soon
	verbGoNamed
	verbFork
	verbSubmit
	verbBackground
	verbKeyed
	verbKeyedSoon
	verbReplace
	verbReplaceSoon
)

var errFull = errors.New("TryGo reports false")

// A starting is a call of a verb.
type starting struct {
	o *ownerRun
	r *record
}

// verbs start a task. They return the future, if it has one, or why it was not
// accepted.
var verbs = [...]struct {
	name    string
	context bool // the task gets one
	soon    bool // which ends soon
	start   func(s starting) (future, error)
}{
	verbGo: {name: "Go", start: func(s starting) (future, error) {
		s.o.door.Go(func() error { return s.r.run0(nil) })
		return nil, nil
	}},
	verbTryGo: {name: "TryGo", start: func(s starting) (future, error) {
		if !s.o.door.TryGo(func() error { return s.r.run0(nil) }) {
			return nil, errFull
		}
		return nil, nil
	}},
	verbGoContext: {name: "GoContext", context: true, start: func(s starting) (future, error) {
		return nil, s.o.door.GoContext(s.r.ctx, s.r.run0)
	}},
	verbGoSoon: {name: "GoContext, soon", context: true, soon: true, start: func(s starting) (future, error) {
		return nil, s.o.door.GoContext(s.r.ctx, s.r.run0)
	}},
	verbGoNamed: {name: "GoNamed", start: func(s starting) (future, error) {
		s.o.goNamed(fmt.Sprintf("task%d", s.r.id), func() error { return s.r.run0(nil) })
		return nil, nil
	}},
	verbFork: {name: "Fork", start: func(s starting) (future, error) {
		return s.o.fork(func() (int, error) { err := s.r.run0(nil); return s.r.id, err }), nil
	}},
	verbSubmit: {name: "Submit", context: true, start: func(s starting) (future, error) {
		return s.o.submit(s.r.ctx, func(ctx context.Context) (int, error) {
			err := s.r.run0(ctx)
			return s.r.id, err
		})
	}},
	verbBackground: {name: "Background", context: true, start: func(s starting) (future, error) {
		s.o.background(s.r.ctx, s.r.run0)
		return nil, nil
	}},
	verbKeyed:       {name: "Keyed.GoContext", context: true, start: startKeyed},
	verbKeyedSoon:   {name: "Keyed.GoContext, soon", context: true, soon: true, start: startKeyed},
	verbReplace:     {name: "Replace", context: true, start: startReplace},
	verbReplaceSoon: {name: "Replace, soon", context: true, soon: true, start: startReplace},
}

// sinksOf says where what a task raises or returns surfaces.
func (o *ownerRun) sinksOf(v verb) sinks {
	switch {
	case v == verbSubmit:
		return sinks{panics: byGet, goexits: byGet, errs: byGet}
	case o.node.kind == poolNew:
		return sinks{panics: byHook}
	case kinds[o.node.kind].errs && o.node.capture:
		return sinks{panics: byError, goexits: byError, errs: byError}
	case kinds[o.node.kind].errs:
		return sinks{panics: byWait, goexits: byWait, errs: byError}
	case o.node.capture:
		return sinks{panics: byHook, goexits: byWait}
	}
	return sinks{panics: byWait, goexits: byWait}
}

// isMisuse reports whether a panic is the toolkit's complaint about its caller.
func isMisuse(value any) bool {
	text := fmt.Sprint(value)
	for _, prefix := range []string{"core: ", "group: ", "errgroup: ", "pool: "} {
		if strings.HasPrefix(text, prefix) {
			_, ok := value.(*core.PanicError)
			return !ok
		}
	}
	return false
}
