package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
)

// A numbered task is told from others by its number.
type numbered int

func (numbered) Run(*Worker) {}

// A modelSegment is what a segment of the queue should hold.
type modelSegment struct {
	set    *Set
	tasks  []Task
	tail   int // places that were used, while tasks can be added; 0 after that
	number int // in the order in which segments were taken

	first bool     // it holds the task first, and is no segment
	real  *segment // of one that was taken
}

// A queueModel does what a runQueue should do, with slices, and compares.
type queueModel struct {
	t      *testing.T
	q      runQueue
	sets   []*Set
	rounds []uint64
	queued []*modelSegment
	taken  []*modelSegment
	number int
	last   numbered
}

func newQueueModel(t *testing.T) *queueModel {
	m := &queueModel{t: t, sets: []*Set{nil, new(Set), new(Set)}, rounds: make([]uint64, 3)}
	m.q.init()
	return m
}

func (m *queueModel) holds(set *Set) bool {
	return slices.ContainsFunc(slices.Concat(m.queued, m.taken), func(g *modelSegment) bool { return g.set == set })
}

func (m *queueModel) push(i int) {
	set := m.sets[i]
	m.last++
	var g *modelSegment
	if n := len(m.queued); n > 0 {
		g = m.queued[n-1]
	}
	first := len(m.queued) == 0 && set == nil
	fits := g != nil && g.set == set && g.tail > 0 && g.tail < segmentLen
	require.Equal(m.t, first || fits, m.q.fits(set))
	if first {
		g = &modelSegment{tail: -1, first: true}
		m.queued = append(m.queued, g)
	} else if !fits {
		if set != nil && !m.holds(set) {
			m.rounds[i]++
		}
		if g != nil {
			g.tail = 0
		}
		g = &modelSegment{set: set}
		m.queued = append(m.queued, g)
	}
	g.tail++
	g.tasks = append(g.tasks, m.last)
	m.q.push(m.last, set)
}

func (m *queueModel) pop() {
	if len(m.queued) == 0 {
		return
	}
	g := m.queued[0]
	task, set := m.q.pop()
	require.Equal(m.t, g.tasks[0], task)
	require.Same(m.t, g.set, set)
	m.drop(0)
}

// drop takes the first task off a queued segment.
func (m *queueModel) drop(i int) {
	g := m.queued[i]
	if g.tasks = g.tasks[1:]; len(g.tasks) == 0 {
		m.queued = slices.Delete(m.queued, i, i+1)
	}
}

func (m *queueModel) popSegment(most int) {
	g := m.q.popSegment(most)
	if len(m.queued) == 0 || m.queued[0].first || min(len(m.queued[0].tasks), most) < 2 {
		require.Nil(m.t, g)
		return
	}
	front := m.queued[0]
	n := min(len(front.tasks), most)
	require.Equal(m.t, n, g.unclaimed())
	require.Same(m.t, front.set, g.set)
	m.number++
	m.taken = append(m.taken, &modelSegment{set: front.set, tasks: front.tasks[:n:n], number: m.number, real: g})
	front.tasks = front.tasks[n:]
	if len(front.tasks) == 0 {
		m.queued = m.queued[1:]
	}
	g.attached++
}

// claim claims a task of a taken segment, whose worker comes back when there is none left.
func (m *queueModel) claim(i int) {
	if i >= len(m.taken) {
		return
	}
	g := m.taken[i]
	task := g.real.claim()
	if len(g.tasks) == 0 {
		require.Nil(m.t, task)
		m.q.detach(g.real)
		m.taken = slices.Delete(m.taken, i, i+1)
		return
	}
	require.Equal(m.t, g.tasks[0], task)
	g.tasks = g.tasks[1:]
}

// steal claims a task of the oldest segment that has one: of a set, or of any.
func (m *queueModel) steal(set *Set, any bool) {
	i := slices.IndexFunc(m.taken, func(g *modelSegment) bool { return len(g.tasks) > 0 && (any || g.set == set) })
	g := m.q.stealable(set, any)
	if i < 0 {
		require.Nil(m.t, g)
		return
	}
	require.Same(m.t, m.taken[i].real, g)
	require.Equal(m.t, m.taken[i].tasks[0], g.claim())
	m.taken[i].tasks = m.taken[i].tasks[1:]
	g.attached++
	m.q.detach(g) // its own worker is still attached
}

func (m *queueModel) popOf(set *Set) {
	task := m.q.popOf(set)
	i := slices.IndexFunc(m.queued, func(g *modelSegment) bool { return g.set == set })
	if i < 0 {
		require.Nil(m.t, task)
		return
	}
	require.Equal(m.t, m.queued[i].tasks[0], task)
	m.drop(i)
}

func (m *queueModel) revoke() {
	m.q.revoke()
	var back []*modelSegment
	for _, g := range m.taken {
		if len(g.tasks) > 0 {
			back = append(back, &modelSegment{set: g.set, tasks: g.tasks})
			g.tasks = nil
		}
	}
	if len(back) > 0 && len(m.queued) > 0 && m.queued[0].first {
		m.queued[0].first, m.queued[0].tail = false, 0 // a segment holds it now
	}
	m.queued = slices.Insert(m.queued, 0, back...)
}

// check compares what can be seen.
func (m *queueModel) check() {
	n, taken := 0, 0
	of := map[*Set]int{}
	segments := map[*Set]int{}
	for _, g := range m.queued {
		n += len(g.tasks)
		of[g.set] += len(g.tasks)
		segments[g.set]++
	}
	oldest := -1
	for _, g := range m.taken {
		taken += len(g.tasks)
		of[g.set] += len(g.tasks)
		segments[g.set]++
		if oldest < 0 && len(g.tasks) > 0 {
			oldest = g.number
		}
	}
	m.checkPlaces()
	for i := range 4 { // late comes first, because the others take segments without tasks off the list
		many := (i + int(m.last)) % 4
		require.Equal(m.t, oldest >= 0 && m.number-oldest > many, m.q.late(uint32(many)), "late by %d", many)
	}
	require.Equal(m.t, n, m.q.n)
	require.Equal(m.t, n+taken, m.q.unclaimed())
	require.Equal(m.t, taken, m.q.takenUnclaimed())
	for i, set := range m.sets[1:] {
		require.Equal(m.t, of[set], m.q.unclaimedOf(set))
		require.Equal(m.t, segments[set], set.segments)
		require.Equal(m.t, m.rounds[i+1], set.round)
	}
}

// checkPlaces checks that a segment holds no task that was claimed: otherwise the task is not
// collected.
func (m *queueModel) checkPlaces() {
	for e := m.q.queued.Front(); e != nil; e = e.Next() {
		start, end := e.Value.head, e.Value.end
		for i, task := range e.Value.tasks {
			if at := uint32(i); (task != nil) != (start <= at && at < end) {
				require.Failf(m.t, "a wrong place", "place %d has %v; tasks are from %d to %d", i, task, start, end)
			}
		}
	}
}

// The run queue gives out each task once, in order, however it is used.
func TestRunQueue(t *testing.T) {
	for seed := range uint64(child.Many(10, 100)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			m := newQueueModel(t)
			for range 200 {
				switch r.IntN(13) {
				case 0, 1, 2:
					i := r.IntN(3)
					for range 1 + r.IntN(60) {
						m.push(i)
					}
				case 3:
					m.push(r.IntN(3))
				case 4, 5:
					m.pop()
				case 6, 7:
					m.popSegment(r.IntN(segmentLen + 2))
				case 8, 9:
					for i := r.IntN(4); r.IntN(20) > 0; {
						m.claim(i)
					}
				case 10:
					if r.IntN(2) == 0 {
						m.steal(nil, true)
					} else {
						m.steal(m.sets[r.IntN(3)], false)
					}
				case 11:
					if r.IntN(4) == 0 {
						m.revoke()
					} else {
						m.popOf(m.sets[1+r.IntN(2)])
					}
				case 12: // until the queue is empty
					for len(m.queued) > 0 {
						m.pop()
						m.popSegment(2 + r.IntN(segmentLen))
						m.check()
					}
				}
				m.check()
			}
			for len(m.taken) > 0 {
				m.claim(0)
			}
			for len(m.queued) > 0 {
				m.pop()
				m.check()
			}
		})
	}
}
