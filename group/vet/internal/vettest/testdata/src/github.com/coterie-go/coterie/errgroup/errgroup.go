package errgroup

import (
	"context"
	"time"

	"github.com/coterie-go/coterie/core"
)

type Options struct {
	Name      string
	Limit     int
	Semaphore *core.Semaphore
	Panics    core.PanicPolicy
	Collect   bool
	MaxErrors int
	Isolate   bool
}

type Group struct{ noCopy [0]func() }

func New(ctx context.Context, opts Options) (*Group, context.Context) { return nil, nil }
func WithContext(ctx context.Context) (*Group, context.Context)       { return nil, nil }
func Run(ctx context.Context, body func(ctx context.Context, g *Group) error) error {
	return nil
}
func RunWith(ctx context.Context, opts Options, body func(ctx context.Context, g *Group) error) error {
	return nil
}
func Fork[T any](g *Group, f func() (T, error)) *core.Future[T] { return nil }
func Gather[T any](ctx context.Context, fs ...func(ctx context.Context) (T, error)) ([]T, error) {
	return nil, nil
}

type RaceOptions[T any] struct {
	Stagger time.Duration
	Discard func(T)
}

func Race[T any](ctx context.Context, opts RaceOptions[T], fs ...func(ctx context.Context) (T, error)) (v T, err error) {
	return
}

func (g *Group) Go(f func() error)                                                      {}
func (g *Group) GoNamed(name string, f func() error)                                    {}
func (g *Group) TryGo(f func() error) bool                                              { return false }
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context) error) error { return nil }
func (g *Group) Background(f func(ctx context.Context) error)                           {}
func (g *Group) Cancel(cause error)                                                     {}
func (g *Group) Wait() error                                                            { return nil }
func (g *Group) WaitContext(ctx context.Context) error                                  { return nil }
func (g *Group) SetLimit(n int)                                                         {}
