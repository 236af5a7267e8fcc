// Package noted lets the scheduler know of the goroutines that wait for the result of a
// task of a named owner.
package noted

// Get is called by a goroutine that is about to wait for the result of a task of the owner
// with this number. end is called when it no longer waits.
var Get func(owner uint32) (end func())
