package group

// Slow reports whether the tasks of a group with a limit are measured to be slow.
func (g *Group) Slow() bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return g.engine.extras.Load().room.slow
}
