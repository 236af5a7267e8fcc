package grouptest_test

import (
	"testing"
	"time"

	"github.com/coterie-go/coterie/group/grouptest"
)

func ExampleNoLeaks() {
	_ = func(t *testing.T) { // TestIngest
		grouptest.NoLeaks(t)
		// Here the test starts groups, and waits for them.
	}
}

func ExamplePatience() {
	_ = func(t *testing.T) { // TestIngest
		grouptest.Patience(t, 5*time.Second)
		// Here the test may hang.
	}
}
