package helper

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func Check(t *testing.T, err error) { // want Check:"endsTest"
	t.Helper()
	require.NoError(t, err)
}

func Deep(t testing.TB, err error) { // want Deep:"endsTest"
	func() {
		if err != nil {
			t.Fatal(err)
		}
	}()
}

type Env struct{ T *testing.T }

func (e *Env) Must(err error) { // want Must:"endsTest"
	Check(e.T, err)
}

// What follows ends no test for its caller.

func Log(t *testing.T) { t.Log() }

func Later(t *testing.T) func() {
	return func() { t.FailNow() }
}

func Sub(t *testing.T) {
	t.Run("sub", func(t *testing.T) { t.FailNow() })
}
