// Package vet lists the analyzers of coterievet, for drivers other than its own
// program: a linter, an editor, a test.
//
//   - Analyzers are on by default: what they report is a bug on every run, or on every
//     run that fails.
//   - Optional ones state a rule that a code base may want, or judge by appearances.
//   - Fixers rewrite code of other packages to coterie.
package vet

import (
	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/addinside"
	"github.com/coterie-go/coterie/group/vet/barego"
	"github.com/coterie-go/coterie/group/vet/carries"
	"github.com/coterie-go/coterie/group/vet/escapes"
	"github.com/coterie-go/coterie/group/vet/failnow"
	"github.com/coterie-go/coterie/group/vet/fixconc"
	"github.com/coterie-go/coterie/group/vet/fixerrgroup"
	"github.com/coterie-go/coterie/group/vet/fixgroup"
	"github.com/coterie-go/coterie/group/vet/fixlimit"
	"github.com/coterie-go/coterie/group/vet/fixrun"
	"github.com/coterie-go/coterie/group/vet/fixsemaphore"
	"github.com/coterie-go/coterie/group/vet/forargs"
	"github.com/coterie-go/coterie/group/vet/outerctx"
	"github.com/coterie-go/coterie/group/vet/placectx"
	"github.com/coterie-go/coterie/group/vet/selfwait"
	"github.com/coterie-go/coterie/group/vet/sharederr"
	"github.com/coterie-go/coterie/group/vet/stranded"
	"github.com/coterie-go/coterie/group/vet/unwaited"
	"github.com/coterie-go/coterie/group/vet/waiterr"
)

// Analyzers are those on by default.
var Analyzers = []*analysis.Analyzer{
	addinside.Analyzer,
	escapes.Analyzer,
	failnow.Analyzer,
	forargs.Analyzer,
	outerctx.Analyzer,
	selfwait.Analyzer,
	unwaited.Analyzer,
	waiterr.Analyzer,
}

// Optional are the analyzers that a flag turns on.
var Optional = []*analysis.Analyzer{
	barego.Analyzer,
	stranded.Analyzer,
	placectx.Analyzer,
	carries.Analyzer,
	sharederr.Analyzer,
}

// Fixers are the analyzers that go fix runs.
var Fixers = []*analysis.Analyzer{
	fixerrgroup.Analyzer,
	fixgroup.Analyzer,
	fixlimit.Analyzer,
	fixrun.Analyzer,
	fixsemaphore.Analyzer,
	fixconc.Analyzer,
}
