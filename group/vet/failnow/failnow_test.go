package failnow_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/failnow"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, failnow.Analyzer, "a", "helper") }
