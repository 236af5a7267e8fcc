package fixconc_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/fixconc"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestFixes(t *testing.T) { vettest.RunFix(t, fixconc.Analyzer, "a") }

func TestLeftAlone(t *testing.T) { vettest.RunFix(t, fixconc.Analyzer, "left") }
