package group_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests or, in a process that a test has started for it, one of
// the victims.
func TestMain(m *testing.M) {
	if victim := victims[os.Getenv(victimVar)]; victim != nil {
		victim()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// victimVar is the environment variable that names a victim.
const victimVar = "COTERIE_GROUP_VICTIM"

// caught returns what f panicked with.
func caught(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// exited reports whether f ended by runtime.Goexit.
func exited(f func()) (exited bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		exited = true
		defer func() {
			if v := recover(); v != nil {
				exited = false
			}
		}()
		f()
		exited = false
	}()
	<-done
	return exited
}
