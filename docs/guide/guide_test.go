package guide_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/docs/internal/shown"
)

func TestMain(m *testing.M) {
	if shown.Bugs() {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

func TestShown(t *testing.T) { shown.Run(t) }
