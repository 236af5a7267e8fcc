package core_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
)

// A pending call is one that may block, in a goroutine of its own.
type pending struct {
	cancel context.CancelFunc
	result chan error
	n      int64 // of an Acquire
	want   error // once it has ended
}

var errPending = errors.New("has not returned")

func start(n int64, f func(context.Context, int64) error) *pending {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pending{cancel: cancel, result: make(chan error, 1), n: n, want: errPending}
	go func() { p.result <- f(ctx, n) }()
	return p
}

// settle waits until nothing moves, and checks each call against the reference.
func settle(t *testing.T, calls []*pending) {
	synctest.Wait()
	for i, p := range calls {
		got := errPending
		select {
		case got = <-p.result:
			p.result <- got
		default:
		}
		require.Equal(t, p.want, got, "call %d", i)
	}
}

// operations splits fuzz input into pairs of an operation and its argument.
func operations(input []byte, f func(op, arg byte)) {
	for ; len(input) >= 2; input = input[2:] {
		f(input[0], input[1])
	}
}

// FuzzWaitGroup checks sequences of operations against a WaitGroup that is an
// int and a list.
func FuzzWaitGroup(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 1, 0})             // add, wait, done
	f.Add([]byte{0, 2, 3, 0, 4, 0, 1, 0, 1, 0}) // add, wait, give up, done, done
	f.Add([]byte{1, 0, 0, 1, 5, 0, 5, 1, 1, 0}) // refused calls
	f.Add([]byte{0, 1, 2, 0, 3, 0, 1, 0, 0, 1, 2, 0, 3, 0, 4, 2, 1, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 200 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			var wg core.WaitGroup
			var calls []*pending
			counter := int64(0)
			add := func(delta int64) {
				want := "returns"
				switch {
				case counter+delta < 0:
					want = "panics: core: negative WaitGroup counter"
				case counter+delta > math.MaxInt32:
					want = "panics: core: WaitGroup counter above 2147483647"
				default:
					counter += delta
					for _, p := range calls {
						if counter == 0 && p.want == errPending {
							p.want = nil
						}
					}
				}
				require.Equal(t, want, outcomeOf(func() { wg.Add(int(delta)) }))
			}
			operations(input, func(op, arg byte) {
				switch op % 6 {
				case 0:
					add(int64(arg % 4))
				case 1:
					add(-1)
				case 2:
					p := start(0, func(context.Context, int64) error { wg.Wait(); return nil })
					calls = append(calls, p)
					if counter == 0 {
						p.want = nil
					}
				case 3:
					p := start(0, func(ctx context.Context, _ int64) error { return wg.WaitContext(ctx) })
					p.n = 1 // may give up
					calls = append(calls, p)
					if counter == 0 {
						p.want = nil
					}
				case 4:
					if len(calls) > 0 {
						p := calls[int(arg)%len(calls)]
						p.cancel()
						if p.n == 1 && p.want == errPending {
							p.want = context.Canceled
						}
					}
				case 5:
					add([]int64{math.MinInt32, math.MaxInt32, -int64(arg), int64(arg), -counter, math.MaxInt32 - counter}[arg%6])
				}
				settle(t, calls)
				require.EqualValues(t, counter, wg.Count())
			})
			wg.Add(int(-counter))
			for _, p := range calls {
				p.cancel()
				<-p.result
			}
		})
	})
}

// FuzzSemaphore checks sequences of operations against a semaphore that is three
// numbers and a list.
func FuzzSemaphore(f *testing.F) {
	f.Add([]byte{0, 3, 1, 2, 2, 2, 4, 1, 4, 1, 4, 2})             // limit, acquire, release
	f.Add([]byte{0, 2, 2, 1, 2, 2, 2, 1, 3, 1, 4, 1, 4, 1})       // one at the head gives up
	f.Add([]byte{0, 4, 2, 1, 2, 4, 2, 2, 0, 2, 0, 0, 0, 3, 4, 1}) // resized under load
	f.Add([]byte{0, 233, 2, 1, 4, 1})
	f.Add([]byte{0, 255, 2, 254, 2, 255, 0, 1, 4, 254, 4, 9}) // too large for the word
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 200 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			s := core.NewSemaphore(1)
			var calls []*pending
			limit, inUse := int64(1), int64(0)
			waiting := func() (queue []*pending) {
				for _, p := range calls {
					if p.want == errPending {
						queue = append(queue, p)
					}
				}
				return queue
			}
			grant := func() {
				for _, p := range waiting() {
					if p.n > limit-inUse {
						return
					}
					inUse += p.n
					p.want = nil
				}
			}
			size := func(arg byte) int64 { // small, or around the ends of 31, 32 and 63 bits
				switch {
				case arg >= 252:
					return math.MaxInt64 - int64(255-arg)
				case arg >= 240:
					return math.MaxInt32 - 4 + int64(arg-240)
				}
				return int64(arg % 6)
			}
			operations(input, func(op, arg byte) {
				n := size(arg)
				switch op % 5 {
				case 0:
					limit = n
					for _, p := range waiting() {
						if p.n > limit && limit > 0 {
							p.want = core.ErrWeight
						}
					}
					grant()
					s.SetLimit(n)
				case 1:
					want := n <= limit-inUse && len(waiting()) == 0
					if want {
						inUse += n
					}
					require.Equal(t, want, s.TryAcquire(n))
				case 2:
					p := start(n, s.Acquire)
					switch {
					case n > limit && limit > 0:
						p.want = core.ErrWeight
					case n <= limit-inUse && len(waiting()) == 0:
						inUse += n
						p.want = nil
					}
					calls = append(calls, p)
				case 3:
					if len(calls) > 0 {
						p := calls[int(arg)%len(calls)]
						p.cancel()
						if p.want == errPending {
							p.want = context.Canceled
							grant()
						}
					}
				case 4:
					want := "returns"
					if n > inUse {
						want = fmt.Sprint("panics: core: release of more permits than are in use, got ", n)
					} else {
						inUse -= n
						grant()
					}
					require.Equal(t, want, outcomeOf(func() { s.Release(n) }))
				}
				settle(t, calls)
				require.Equal(t, limit, s.Limit())
				require.Equal(t, inUse, s.InUse())
				require.Len(t, waiting(), s.Waiting())
			})
			for _, p := range calls {
				p.cancel()
				<-p.result
			}
		})
	})
}
