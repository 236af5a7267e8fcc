package errgroup_test

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
