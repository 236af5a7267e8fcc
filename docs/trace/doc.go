// Package trace checks what a program that uses coterie looks like in an execution trace. It is
// a module of its own, because it reads traces with golang.org/x/exp/trace.
package trace
