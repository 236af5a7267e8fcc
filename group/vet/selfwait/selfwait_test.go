package selfwait_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/internal/vettest"
	"github.com/coterie-go/coterie/group/vet/selfwait"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, selfwait.Analyzer, "a") }
