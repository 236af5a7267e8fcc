package core

import (
	"context"
	"errors"
)

type WaitGroup struct{ noCopy [0]func() }

func (wg *WaitGroup) Add(delta int)                         {}
func (wg *WaitGroup) Done()                                 {}
func (wg *WaitGroup) Wait()                                 {}
func (wg *WaitGroup) WaitContext(ctx context.Context) error { return nil }

type Semaphore struct{ n int64 }

func NewSemaphore(limit int64) *Semaphore                       { return nil }
func (s *Semaphore) Acquire(ctx context.Context, n int64) error { return nil }
func (s *Semaphore) TryAcquire(n int64) bool                    { return false }
func (s *Semaphore) Release(n int64)                            {}
func (s *Semaphore) SetLimit(limit int64)                       {}

type Future[T any] struct{ v T }

func (f *Future[T]) Get() (v T, err error)                           { return }
func (f *Future[T]) GetContext(ctx context.Context) (v T, err error) { return }
func (f *Future[T]) Done() <-chan struct{}                           { return nil }

type PanicPolicy int

const (
	Propagate PanicPolicy = iota
	Crash
	Capture
)

type PanicError struct{ Value any }

func (p *PanicError) Error() string { return "" }

type StuckError struct{ Cause error }

func (e *StuckError) Error() string { return "" }

var ErrGoexit = errors.New("goexit")
