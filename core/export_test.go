package core

// DoneHalf is Done up to the instant at which the counter has gone down. The function
// that it returns is the rest of Done, which the scheduler may delay.
func (wg *WaitGroup) DoneHalf() (rest func()) {
	var done uint64 = counterUnit
	state := wg.state.Add(-done)
	return func() {
		if isEventful(state) {
			wg.addSlow(-1, state)
		}
	}
}

// Age makes a new WaitGroup as if so many goroutines had waited.
func (wg *WaitGroup) Age(waiters int64) {
	wg.issued = waiters
	wg.state.Store(uint64(waiters & numberMask))
}
