// Package migrate_test runs the code of the pages about coming to coterie from
// elsewhere, what stands before as well as what stands after.
package migrate_test

import (
	"os"
	"testing"

	"github.com/coterie-go/coterie/docs/internal/shown"
)

func TestMain(m *testing.M) {
	shown.Bugs()
	os.Exit(m.Run())
}

func TestShown(t *testing.T) { shown.Run(t) }
