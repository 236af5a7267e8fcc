package core_test

import (
	"context"
	"sync"
	"testing"

	"golang.org/x/sync/semaphore"

	"github.com/coterie-go/coterie/core"
)

// For a quick look while at work; docs/benchmarks has the published ones.

type countingWait interface {
	Add(int)
	Done()
	Wait()
}

func BenchmarkWaitGroup(b *testing.B) {
	for _, impl := range []struct {
		name string
		make func() countingWait
	}{
		{"sync", func() countingWait { return new(sync.WaitGroup) }},
		{"core", func() countingWait { return new(core.WaitGroup) }},
	} {
		b.Run("add and done/"+impl.name, func(b *testing.B) {
			wg := impl.make()
			for b.Loop() {
				wg.Add(1)
				wg.Done()
			}
		})
		b.Run("add and done contended/"+impl.name, func(b *testing.B) {
			wg := impl.make()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					wg.Add(1)
					wg.Done()
				}
			})
		})
		b.Run("wait on zero/"+impl.name, func(b *testing.B) {
			wg := impl.make()
			for b.Loop() {
				wg.Wait()
			}
		})
		b.Run("ping-pong/"+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			ping, pong := impl.make(), impl.make()
			ping.Add(1)
			pong.Add(1)
			n := b.N
			go func() {
				for range n {
					ping.Wait()
					ping.Add(1)
					pong.Done()
				}
			}()
			for range n {
				ping.Done()
				pong.Wait()
				pong.Add(1)
			}
		})
		b.Run("fan-out of 1000/"+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				wg := impl.make()
				for range 1000 {
					wg.Add(1)
					go wg.Done()
				}
				wg.Wait()
			}
		})
	}
}

type weighted interface {
	Acquire(context.Context, int64) error
	TryAcquire(int64) bool
	Release(int64)
}

func BenchmarkSemaphore(b *testing.B) {
	for _, impl := range []struct {
		name string
		make func(n int64) weighted
	}{
		{"xsync", func(n int64) weighted { return semaphore.NewWeighted(n) }},
		{"core", func(n int64) weighted { return core.NewSemaphore(n) }},
	} {
		b.Run("uncontended/"+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			s := impl.make(2)
			for b.Loop() {
				_ = s.Acquire(context.Background(), 1)
				s.Release(1)
			}
		})
		b.Run("contended/"+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			s := impl.make(2)
			n := b.N
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range n / 8 {
						_ = s.Acquire(context.Background(), 1)
						s.Release(1)
					}
				})
			}
			all.Wait()
		})
		b.Run("contended, cancellable/"+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s := impl.make(2)
			n := b.N
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range n / 8 {
						_ = s.Acquire(ctx, 1)
						s.Release(1)
					}
				})
			}
			all.Wait()
		})
	}
}

func BenchmarkCall(b *testing.B) {
	n := 0
	f, aborted := func() { n++ }, func(*core.PanicError) {}
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			plainly(f)
		}
	})
	b.Run("core", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			core.Call(f, aborted)
		}
	})
}

//go:noinline
func plainly(f func()) { f() }
