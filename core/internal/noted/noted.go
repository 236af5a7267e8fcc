// Package noted lets a Future of core call a function of core/sched, which imports core.
package noted

// Get records that the caller is about to wait for the result of a task of the owner with this
// number. The caller calls end after the wait. Package core/sched sets Get when it is initialized.
var Get func(owner uint32) (end func())
