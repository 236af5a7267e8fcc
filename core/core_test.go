package core_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/core/child"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onProcs runs f as subtests, with GOMAXPROCS of 1, 2 and 8.
func onProcs(t *testing.T, f func(t *testing.T)) {
	for _, procs := range []int{1, 2, 8} {
		t.Run(fmt.Sprintf("on %d Ps", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			f(t)
		})
	}
}

// stormRounds is how often a storm blows. With -long, each mistake that was tried failed at least
// once in each of ten runs.
func stormRounds() int { return child.Many(1000, 5000) }

// shake yields now and then, so that others come in between.
func shake() {
	for rand.N(4) == 0 {
		runtime.Gosched()
	}
}

// outcomeOf calls f and says how it ended: "returns", or "panics: " and what it
// panicked with.
func outcomeOf(f func()) (outcome string) {
	defer func() {
		if v := recover(); v != nil {
			outcome = fmt.Sprint("panics: ", v)
		}
	}()
	f()
	return "returns"
}
