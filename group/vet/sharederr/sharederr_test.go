package sharederr_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/internal/vettest"
	"github.com/coterie-go/coterie/group/vet/sharederr"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, sharederr.Analyzer, "a") }
