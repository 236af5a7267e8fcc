package linearizability

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/coterie-go/coterie/core"
)

type semaphore interface {
	Acquire(ctx context.Context, n int64) error
	TryAcquire(n int64) bool
	Release(n int64)
	SetLimit(limit int64)
	InUse() int64
	Waiting() int
}

// What a client calls. An Acquire takes effect twice: when it takes its place in
// the queue, and when it leaves. Its output is its error, that of tryAcquire a
// bool, those of inUse and waiting numbers.
type (
	acquireBegin struct{ id, n int64 }
	acquireEnd   struct{ id, n int64 }
	tryAcquire   int64
	release      int64
	setLimit     int64
	inUse        struct{}
	waiting      struct{}
)

// semaphoreState is a semaphore as its documentation describes it. In between
// calls, whoever can be served has been.
type semaphoreState struct {
	limit, inUse int64
	queue        []acquireBegin
	granted      []int64 // ids that do not know yet
	refused      []int64
}

func (s semaphoreState) clone() semaphoreState {
	s.queue, s.granted, s.refused = slices.Clone(s.queue), slices.Clone(s.granted), slices.Clone(s.refused)
	return s
}

func (s semaphoreState) equal(o semaphoreState) bool {
	return s.limit == o.limit && s.inUse == o.inUse && slices.Equal(s.queue, o.queue) &&
		slices.Equal(s.granted, o.granted) && slices.Equal(s.refused, o.refused)
}

func (s *semaphoreState) serve() {
	for len(s.queue) > 0 && s.inUse+s.queue[0].n <= s.limit {
		s.inUse += s.queue[0].n
		s.granted = insert(s.granted, s.queue[0].id)
		s.queue = s.queue[1:]
	}
}

func insert(ids []int64, id int64) []int64 {
	i, _ := slices.BinarySearch(ids, id)
	return slices.Insert(ids, i, id)
}

// take removes id and says whether it was there.
func take(ids *[]int64, id int64) bool {
	i, found := slices.BinarySearch(*ids, id)
	if found {
		*ids = slices.Delete(*ids, i, i+1)
	}
	return found
}

func (s *semaphoreState) step(input, output any) bool {
	switch input := input.(type) {
	case acquireBegin:
		if input.n > s.limit && s.limit > 0 {
			s.refused = insert(s.refused, input.id)
			return true
		}
		s.queue = append(s.queue, input)
		s.serve()
	case acquireEnd:
		switch output {
		case nil:
			return take(&s.granted, input.id)
		case core.ErrWeight:
			return take(&s.refused, input.id)
		}
		if i := slices.IndexFunc(s.queue, func(b acquireBegin) bool { return b.id == input.id }); i >= 0 {
			s.queue = slices.Delete(s.queue, i, i+1)
		} else if take(&s.granted, input.id) {
			s.inUse -= input.n
		} else if !take(&s.refused, input.id) {
			return false
		}
		s.serve()
	case tryAcquire:
		ok := len(s.queue) == 0 && s.inUse+int64(input) <= s.limit
		if ok {
			s.inUse += int64(input)
		}
		return ok == output
	case release:
		s.inUse -= int64(input)
		s.serve()
	case setLimit:
		s.limit = int64(input)
		s.queue = slices.DeleteFunc(s.queue, func(b acquireBegin) bool {
			tooHeavy := b.n > s.limit && s.limit > 0
			if tooHeavy {
				s.refused = insert(s.refused, b.id)
			}
			return tooHeavy
		})
		s.serve()
	case inUse:
		return s.inUse == output
	case waiting:
		return len(s.queue) == output
	default:
		panic("unknown input")
	}
	return true
}

const limit = 3

var semaphoreModel = porcupine.Model{
	Init: func() any { return semaphoreState{limit: limit} },
	Step: func(state, input, output any) (bool, any) {
		s := state.(semaphoreState).clone()
		return s.step(input, output), s
	},
	Equal:             func(a, b any) bool { return a.(semaphoreState).equal(b.(semaphoreState)) },
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%#v -> %v", input, output) },
}

func recordSemaphore(s semaphore) []porcupine.Operation {
	var ids atomic.Int64
	return run(4, func(h *history, client int, r *rand.Rand) {
		resizes := client == 0 && r.IntN(2) == 0
		held := int64(0)
		give := func() {
			n := held
			if n > 1 && r.IntN(2) == 0 {
				n = 1
			}
			held -= n
			h.record(client, func() any { s.Release(n); return nil }, release(n))
		}
		for range 5 {
			shake(r)
			n := 1 + r.Int64N(limit)
			switch op := r.IntN(10); {
			case op < 5 && held == 0: // who holds some might wait for himself
				id := ids.Add(1)
				ctx, cancel := context.Background(), func() {}
				if r.IntN(2) == 0 {
					ctx, cancel = context.WithCancel(ctx)
					go func() { runtime.Gosched(); cancel() }()
				}
				err := h.record(client, func() any {
					if err := s.Acquire(ctx, n); err != nil {
						return err
					}
					return nil
				}, acquireBegin{id, n}, acquireEnd{id, n})
				if err == nil {
					held = n
				}
			case op < 5:
				give()
			case op < 7 && held == 0:
				if h.record(client, func() any { return s.TryAcquire(n) }, tryAcquire(n)).(bool) {
					held = n
				}
			case op < 8 && resizes:
				to := r.Int64N(limit + 1)
				h.record(client, func() any { s.SetLimit(to); return nil }, setLimit(to))
				shake(r)
				h.record(client, func() any { s.SetLimit(limit); return nil }, setLimit(limit))
			case op < 9:
				h.record(client, func() any { return s.InUse() }, inUse{})
			default:
				h.record(client, func() any { return s.Waiting() }, waiting{})
			}
		}
		for held > 0 {
			shake(r)
			give()
		}
	})
}

func TestSemaphore(t *testing.T) {
	t.Run("a fresh one for each history", func(t *testing.T) {
		checkAll(t, semaphoreModel, func() []porcupine.Operation { return recordSemaphore(core.NewSemaphore(limit)) })
	})
	t.Run("one for all", func(t *testing.T) {
		s := core.NewSemaphore(limit)
		checkAll(t, semaphoreModel, func() []porcupine.Operation { return recordSemaphore(s) })
	})
}

// A rudeSemaphore lets TryAcquire pass those who wait.
type rudeSemaphore struct {
	*core.Semaphore
	extra atomic.Int64 // permits that TryAcquire has taken
}

func (s *rudeSemaphore) TryAcquire(n int64) bool {
	if s.Semaphore.InUse()+s.extra.Load()+n > s.Limit() {
		return false
	}
	s.extra.Add(n)
	return true
}

func (s *rudeSemaphore) InUse() int64 { return s.Semaphore.InUse() + s.extra.Load() }

func (s *rudeSemaphore) Release(n int64) {
	for extra := s.extra.Load(); extra > 0 && n > 0; extra = s.extra.Load() {
		if part := min(n, extra); s.extra.CompareAndSwap(extra, extra-part) {
			n -= part
		}
	}
	s.Semaphore.Release(n)
}

func TestBrokenSemaphoreIsCaught(t *testing.T) {
	requireCaught(t, semaphoreModel, func() []porcupine.Operation {
		return recordSemaphore(&rudeSemaphore{Semaphore: core.NewSemaphore(limit)})
	})
}
