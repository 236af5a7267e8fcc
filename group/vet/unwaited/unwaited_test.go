package unwaited_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/internal/vettest"
	"github.com/coterie-go/coterie/group/vet/unwaited"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, unwaited.Analyzer, "a", "helper") }
