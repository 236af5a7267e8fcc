package waiterr_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/internal/vettest"
	"github.com/coterie-go/coterie/group/vet/waiterr"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, waiterr.Analyzer, "a") }
