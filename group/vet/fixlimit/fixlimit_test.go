package fixlimit_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/fixlimit"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestFixes(t *testing.T) { vettest.RunFix(t, fixlimit.Analyzer, "a") }

func TestLeftAlone(t *testing.T) { vettest.RunFix(t, fixlimit.Analyzer, "left") }
