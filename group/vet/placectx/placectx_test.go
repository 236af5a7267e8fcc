package placectx_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/internal/vettest"
	"github.com/coterie-go/coterie/group/vet/placectx"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, placectx.Analyzer, "a") }
