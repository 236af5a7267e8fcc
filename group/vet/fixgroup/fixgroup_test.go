package fixgroup_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/fixgroup"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestFixes(t *testing.T) {
	vettest.RunFix(t, fixgroup.Analyzer, "a", "comments", "names")
}

func TestLeftAlone(t *testing.T) { vettest.RunFix(t, fixgroup.Analyzer, "left", "modernizer") }
