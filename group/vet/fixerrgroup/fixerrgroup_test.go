package fixerrgroup_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/fixerrgroup"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestFixes(t *testing.T) { vettest.RunFix(t, fixerrgroup.Analyzer, "a") }

func TestLeftAlone(t *testing.T) {
	vettest.RunFix(t, fixerrgroup.Analyzer, "b", "both", "exported", "user")
}
