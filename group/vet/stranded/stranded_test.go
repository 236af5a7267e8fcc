package stranded_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/internal/vettest"
	"github.com/coterie-go/coterie/group/vet/stranded"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, stranded.Analyzer, "a") }
