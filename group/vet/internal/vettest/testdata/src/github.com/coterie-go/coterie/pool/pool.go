package pool

import (
	"context"
	"iter"

	"github.com/coterie-go/coterie/core"
)

type Options struct {
	Name    string
	Queue   int
	Isolate bool
}

type Pool struct{ noCopy [0]func() }

func New(workers int, opts Options) *Pool { return nil }

func (p *Pool) Go(f func())                                                      {}
func (p *Pool) TryGo(f func()) bool                                              { return false }
func (p *Pool) GoContext(ctx context.Context, f func(ctx context.Context)) error { return nil }
func (p *Pool) Wait()                                                            {}
func (p *Pool) WaitContext(ctx context.Context) error                            { return nil }
func (p *Pool) Close()                                                           {}
func (p *Pool) Shutdown(ctx context.Context) error                               { return nil }
func (p *Pool) SetWorkers(n int)                                                 {}
func (p *Pool) Batch(ctx context.Context) *Batch                                 { return nil }

type Batch struct{ noCopy [0]func() }

func (b *Batch) Go(f func())                                                      {}
func (b *Batch) TryGo(f func()) bool                                              { return false }
func (b *Batch) GoContext(ctx context.Context, f func(ctx context.Context)) error { return nil }
func (b *Batch) Wait()                                                            {}
func (b *Batch) WaitContext(ctx context.Context) error                            { return nil }
func (b *Batch) Err() error                                                       { return nil }

func Submit[T any](ctx context.Context, p *Pool, f func(ctx context.Context) (T, error)) (*core.Future[T], error) {
	return nil, nil
}
func For(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	return nil
}
func Each[T any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) error) error {
	return nil
}
func Map[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return nil
}
func MapUnordered[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return nil
}
func MapSlice[T, R any](ctx context.Context, workers int, in []T, f func(ctx context.Context, v T) (R, error)) ([]R, error) {
	return nil, nil
}
