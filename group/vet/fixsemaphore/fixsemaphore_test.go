package fixsemaphore_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/fixsemaphore"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestFixes(t *testing.T) { vettest.RunFix(t, fixsemaphore.Analyzer, "a") }

func TestLeftAlone(t *testing.T) { vettest.RunFix(t, fixsemaphore.Analyzer, "left") }
