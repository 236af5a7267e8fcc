package group

// Slow reports whether the tasks of a group with a limit are measured to be slow.
func (g *Group) Slow() bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return g.engine.extras().room.slow
}

// Waiting returns the number of those who wait for room.
func (g *Group) Waiting() (n int) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	for s := g.engine.extras().room.first.Load(); s != nil; s = s.next.Load() {
		n++
	}
	return n
}

// LotsBut lists n lots with an open task each, numbered from 1, removes some, and
// returns those that are left, each when those before are exhausted.
func LotsBut(n int, removed ...int) (left []uint32) {
	var l lots[function]
	chunks := make([]*chunk[function], n)
	for i := range chunks {
		chunks[i] = &chunk[function]{end: 1}
		l.push(chunks[i])
	}
	for _, number := range removed {
		l.remove(chunks[number-1])
	}
	for c := l.oldest(); c != nil; c = l.oldest() {
		if l.open() != 1 && c == l.last {
			panic("not the last")
		}
		left = append(left, c.number)
		c.claimed.Add(1)
	}
	return left
}
