// Package owner knows the types that own goroutines: those of coterie, sync,
// golang.org/x/sync and github.com/sourcegraph/conc. The analyzers share it.
//
//   - kind.go: which types there are, and which of their methods a call names.
//   - ref.go: which variable or field an expression stands for.
//   - index.go: the functions and the tasks of a package.
//   - walk.go: the code that runs in the goroutine of a function.
//   - path.go: paths through a function that begin something and do not end it.
package owner
