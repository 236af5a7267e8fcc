// Package linearizability records what concurrent goroutines do to core's types,
// with the instants at which each call began and returned, and has porcupine look
// for an order of the calls that explains the results: one in which each call
// takes effect at an instant between its beginning and its return, as a simple
// sequential specification says. README.md says more.
package linearizability

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A history is what was recorded of one run.
type history struct {
	begin time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

// record calls f and records its result. Others with the same beginning and
// return are recorded by further inputs: calls that take effect in steps.
func (h *history) record(client int, f func() (output any), inputs ...any) any {
	call := time.Since(h.begin).Nanoseconds()
	output := f()
	ret := time.Since(h.begin).Nanoseconds()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, input := range inputs {
		h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: input, Call: call, Output: output, Return: ret})
	}
	return output
}

// run lets as many goroutines as there are clients loose at the same instant, and
// returns what they recorded.
func run(clients int, client func(h *history, id int, r *rand.Rand)) []porcupine.Operation {
	h := &history{begin: time.Now()}
	start := make(chan struct{})
	var all sync.WaitGroup
	for id := range clients {
		r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
		all.Go(func() {
			<-start
			client(h, id, r)
		})
	}
	close(start)
	all.Wait()
	return h.ops
}

// shake yields now and then.
func shake(r *rand.Rand) {
	for r.IntN(3) == 0 {
		runtime.Gosched()
	}
}

func histories() int {
	if testing.Short() {
		return 500
	}
	return 5000
}

// checkAll records histories on 1, 2 and 8 Ps and checks each.
func checkAll(t *testing.T, model porcupine.Model, record func() []porcupine.Operation) {
	for _, procs := range []int{1, 2, 8} {
		t.Run(fmt.Sprintf("on %d Ps", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for range histories() {
				ops := record()
				switch porcupine.CheckOperationsTimeout(model, ops, time.Minute) {
				case porcupine.Illegal:
					for _, op := range ops {
						t.Logf("%6d to %6d  client %d: %s", op.Call, op.Return, op.ClientId, model.DescribeOperation(op.Input, op.Output))
					}
					t.Fatal("no order of these calls explains their results")
				case porcupine.Unknown:
					t.Fatal("not decided within a minute")
				}
			}
		})
	}
}

// requireCaught records histories of a broken variant until one of them is found
// to be impossible.
func requireCaught(t *testing.T, model porcupine.Model, record func() []porcupine.Operation) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for n := range 100 * histories() {
		if porcupine.CheckOperationsTimeout(model, record(), time.Minute) == porcupine.Illegal {
			t.Logf("caught by history %d", n+1)
			return
		}
	}
	t.Fatal("a broken variant was not caught")
}
