package core

// DoneHalf is Done up to the instant at which the counter has gone down, with
// the RaceDisable and the release for the race detector left out. What it returns
// is the rest of Done, which the scheduler may put off for as long as it likes.
func (wg *WaitGroup) DoneHalf() (rest func()) {
	var done uint64 = counterUnit
	state := wg.state.Add(-done)
	return func() {
		if isEventful(state) {
			wg.addSlow(-1, state)
		}
	}
}

// Age makes the WaitGroup, which is new, what it is when so many goroutines have waited.
func (wg *WaitGroup) Age(waiters int64) {
	wg.issued.Store(waiters)
	wg.state.Store(uint64(waiters & ticketMask))
}
