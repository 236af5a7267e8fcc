package group

// Waiting returns the number of submitters that are blocked.
func (g *Group) Waiting() int { return g.scheduler.Blocked() }
