package tree_test

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/tree"
)

// pauses are how often the world stood still for something other than the garbage collector, and
// for how long.
func pauses() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64Histogram()
}

// longest returns the longest pause since before, rounded up to where its bucket ends.
func longest(before *metrics.Float64Histogram) time.Duration {
	after := pauses()
	for i := range slices.Backward(after.Counts) {
		if after.Counts[i] > before.Counts[i] {
			return time.Duration(after.Buckets[i+1] * float64(time.Second))
		}
	}
	return 0
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func deep(frames int, f func()) {
	if frames > 0 {
		deep(frames-1, f)
		return
	}
	f()
}

// BenchmarkTake takes the tree each second, and reports how long that took and the world stood
// still, at least and at most. On a machine that is busy with other things the least counts.
func BenchmarkTake(b *testing.B) {
	for _, c := range []struct{ tasks, frames int }{{100, 2}, {1500, 2}, {280, 100}, {2000, 100}, {100_000, 2}} {
		b.Run(fmt.Sprintf("tasks=%d/frames=%d", c.tasks, c.frames), func(b *testing.B) {
			release := make(chan struct{})
			g := group.New(group.Options{Name: "bench"})
			var all sync.WaitGroup
			all.Add(c.tasks)
			for i := range c.tasks {
				g.GoNamed(fmt.Sprint("task ", i%10), func() {
					deep(c.frames, func() { all.Done(); <-release })
				})
			}
			all.Wait()
			var took, stood []time.Duration
			for b.Loop() {
				b.StopTimer()
				time.Sleep(time.Second)
				runtime.GC()
				b.StartTimer()
				before := pauses()
				began := time.Now()
				tree.Take()
				took = append(took, time.Since(began))
				stood = append(stood, longest(before))
			}
			close(release)
			g.Wait()
			b.ReportMetric(milliseconds(slices.Min(took)), "fastest-ms")
			b.ReportMetric(milliseconds(slices.Min(stood)), "least-pause-ms")
			b.ReportMetric(milliseconds(slices.Max(stood)), "most-pause-ms")
		})
	}
}
