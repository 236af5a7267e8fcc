package anatomy_test

import (
	"sync/atomic"
	"testing"
)

// snippet: unaligned
type downloads struct {
	failed uint32
	state  uint64 // at offset 4 on a 32-bit machine
}

func TestBugUnaligned(t *testing.T) {
	d := new(downloads)
	atomic.AddUint64(&d.state, 1)
}

// end snippet
