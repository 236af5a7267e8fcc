package group

import (
	"context"

	"github.com/coterie-go/coterie/core"
)

type Options struct {
	Name      string
	Limit     int
	Semaphore *core.Semaphore
	Panics    core.PanicPolicy
	OnPanic   func(*core.PanicError)
	Isolate   bool
}

type Group struct{ noCopy [0]func() }

func New(opts Options) *Group                                   { return nil }
func Run(body func(g *Group))                                   {}
func RunWith(opts Options, body func(g *Group))                 {}
func Fork[T any](g *Group, f func() (T, error)) *core.Future[T] { return nil }

func (g *Group) Go(f func())                                                      {}
func (g *Group) GoNamed(name string, f func())                                    {}
func (g *Group) TryGo(f func()) bool                                              { return false }
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context)) error { return nil }
func (g *Group) Background(ctx context.Context, f func(ctx context.Context))      {}
func (g *Group) Wait()                                                            {}
func (g *Group) WaitContext(ctx context.Context) error                            { return nil }
func (g *Group) SetLimit(n int)                                                   {}
func (g *Group) Running() int                                                     { return 0 }
