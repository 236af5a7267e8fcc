package escapes_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/escapes"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, escapes.Analyzer, "a") }
