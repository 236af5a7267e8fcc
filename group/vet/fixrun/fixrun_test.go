package fixrun_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/fixrun"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestFixes(t *testing.T) { vettest.RunFix(t, fixrun.Analyzer, "a") }

func TestLeftAlone(t *testing.T) { vettest.RunFix(t, fixrun.Analyzer, "left") }
