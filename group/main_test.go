package group_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
