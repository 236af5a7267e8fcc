package linearizability

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/coterie-go/coterie/core"
)

type waitGroup interface {
	Add(delta int)
	Done()
	Wait()
	WaitContext(ctx context.Context) error
	Count() int
}

// What a client calls. The output of count is an int, that of waitContext an error.
type (
	add         int // also done, which is -1
	wait        struct{}
	waitContext struct{}
	count       struct{}
)

// A WaitGroup is a number. Add changes it, Wait takes effect when it is zero.
var waitGroupModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		counter := state.(int)
		switch input := input.(type) {
		case add:
			return true, counter + int(input)
		case wait:
			return counter == 0, counter
		case waitContext:
			return counter == 0 || output != nil, counter
		case count:
			return counter == output, counter
		}
		panic("unknown input")
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%#v -> %v", input, output) },
}

func recordWaitGroup(wg waitGroup) []porcupine.Operation {
	return run(4, func(h *history, id int, r *rand.Rand) {
		tasks := 0
		done := func() {
			h.record(id, func() any { wg.Done(); return nil }, add(-1))
			tasks--
		}
		for range 6 {
			shake(r)
			switch op := r.IntN(8); {
			case op < 3 && tasks < 3:
				n := 1 + r.IntN(2)
				h.record(id, func() any { wg.Add(n); return nil }, add(n))
				tasks += n
			case op < 5 && tasks > 0:
				done()
			case op == 5 && tasks == 0: // who has tasks would wait for himself
				h.record(id, func() any { wg.Wait(); return nil }, wait{})
			case op == 6:
				ctx, cancel := context.WithCancel(context.Background())
				go func() { runtime.Gosched(); cancel() }()
				h.record(id, func() any {
					if err := wg.WaitContext(ctx); err != nil {
						return err
					}
					return nil
				}, waitContext{})
			default:
				h.record(id, func() any { return wg.Count() }, count{})
			}
		}
		for tasks > 0 {
			shake(r)
			done()
		}
		h.record(id, func() any { wg.Wait(); return nil }, wait{})
	})
}

func TestWaitGroup(t *testing.T) {
	t.Run("a fresh one for each history", func(t *testing.T) {
		checkAll(t, waitGroupModel, func() []porcupine.Operation { return recordWaitGroup(new(core.WaitGroup)) })
	})
	t.Run("one for all", func(t *testing.T) {
		var wg core.WaitGroup
		checkAll(t, waitGroupModel, func() []porcupine.Operation { return recordWaitGroup(&wg) })
	})
}

// An impatientWaitGroup takes the first Done that it sees for the last.
type impatientWaitGroup struct{ core.WaitGroup }

func (wg *impatientWaitGroup) Wait() {
	for before := wg.Count(); before > 0 && wg.Count() >= before; {
		runtime.Gosched()
	}
}

func TestBrokenWaitGroupIsCaught(t *testing.T) {
	requireCaught(t, waitGroupModel, func() []porcupine.Operation { return recordWaitGroup(new(impatientWaitGroup)) })
}
