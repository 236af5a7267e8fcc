package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A histogram counts latencies. The zero value is empty and ready for use. Several goroutines may
// use it at once.
type histogram struct {
	mu     sync.Mutex
	took   []time.Duration // the latencies of successful reads
	failed int
}

func (h *histogram) add(took time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.failed++
		return
	}
	h.took = append(h.took, took)
}

// bounds are the upper bounds of the rows of a printed histogram.
var bounds = []time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	40 * time.Millisecond, 80 * time.Millisecond, 160 * time.Millisecond,
}

func (h *histogram) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	took := slices.Sorted(slices.Values(h.took))
	var b strings.Builder
	fmt.Fprintf(&b, "  p50 %v, p95 %v, p99 %v, %d failed\n",
		percentile(took, 50), percentile(took, 95), percentile(took, 99), h.failed)
	rest := took
	for i := 0; len(rest) > 0; i++ {
		name, n := "more", len(rest)
		if i < len(bounds) {
			name = fmt.Sprint("to ", bounds[i])
			n, _ = slices.BinarySearch(rest, bounds[i]+1)
		}
		bar := strings.Repeat("█", (n*50+len(took)-1)/len(took))
		fmt.Fprintf(&b, "  %-9s %5d %s\n", name, n, bar)
		rest = rest[n:]
	}
	return b.String()
}

// percentile returns the smallest element of sorted that is not less than p percent of the
// elements.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*p+99)/100-1, 0)].Round(100 * time.Microsecond)
}
