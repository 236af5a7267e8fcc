package addinside_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/addinside"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, addinside.Analyzer, "a") }
