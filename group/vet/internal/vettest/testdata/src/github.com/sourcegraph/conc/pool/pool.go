package pool

import "context"

type Pool struct{ noCopy [0]func() }

func New() *Pool                                             { return nil }
func (p *Pool) Go(f func())                                  {}
func (p *Pool) Wait()                                        {}
func (p *Pool) WithMaxGoroutines(n int) *Pool                { return nil }
func (p *Pool) WithErrors() *ErrorPool                       { return nil }
func (p *Pool) WithContext(ctx context.Context) *ContextPool { return nil }

type ErrorPool struct{ noCopy [0]func() }

func (p *ErrorPool) Go(f func() error)                            {}
func (p *ErrorPool) Wait() error                                  { return nil }
func (p *ErrorPool) WithFirstError() *ErrorPool                   { return nil }
func (p *ErrorPool) WithMaxGoroutines(n int) *ErrorPool           { return nil }
func (p *ErrorPool) WithContext(ctx context.Context) *ContextPool { return nil }

type ContextPool struct{ noCopy [0]func() }

func (p *ContextPool) Go(f func(ctx context.Context) error) {}
func (p *ContextPool) Wait() error                          { return nil }
func (p *ContextPool) WithFirstError() *ContextPool         { return nil }
func (p *ContextPool) WithCancelOnError() *ContextPool      { return nil }
func (p *ContextPool) WithFailFast() *ContextPool           { return nil }
func (p *ContextPool) WithMaxGoroutines(n int) *ContextPool { return nil }
