package chaos_test

import "strings"

// feature is something that trees may do, or that the oracle may insist on, which
// the toolkit does not promise or does not keep yet.
type feature int

const (
	recursion feature = iota
	closeWhileSplitting
	outsiderWaits
	bodyFeedsInput
	inputAborts
	hugeNumbers
	panicBesideGoexit
	goexitOnLentPlace
	nothingStuck
	stuckSaysDropped
	namesOnce
	oneWorkerOrders
	selfWaitNested
	statsCountTasks
	inputStack
	nestedStreamCancel
	goexitIsNoEcho
	numFeatures
)

// featureTable lists the features with the sentence of the design that each checks. One that
// is on is part of every run; the flag -chaos.features adds others. To switch one
// on for good is to change its line here.
var featureTable = [numFeatures]struct {
	name string
	on   bool
	says string
}{
	recursion: {"recursion", true,
		"2: GoContext with the context of a task of the same owner, when there is no room, runs f in place; the limit holds"},
	closeWhileSplitting: {"closeWhileSplitting", true,
		"5: a task of the pool may start and wait for further tasks with its context until it has ended, also while Close waits"},
	outsiderWaits: {"outsiderWaits", true,
		"5: only a caller who holds a place runs tasks while it waits: an outsider's Get or Wait never does"},
	bodyFeedsInput: {"bodyFeedsInput", true,
		"5: loops within loops and pools are as at the top level, also if the body of Map decides when the input ends"},
	inputAborts: {"inputAborts", true,
		"issue 16, 2: an input that panics in a deferred function during a Goexit, or the reverse, ends the loop"},
	hugeNumbers: {"hugeNumbers", true,
		"5: numbers that mean no limit (workers, Queue, up to MaxInt) cost what is used, not what is named"},
	panicBesideGoexit: {"panicBesideGoexit", true,
		"2: a panic that no Wait, Get or OnPanic has been told of does not vanish, also beside a Goexit"},
	goexitOnLentPlace: {"goexitOnLentPlace", true,
		"issue 16, 14: WaitContext of a batch returns after its tasks also if one that it runs itself calls Goexit"},
	nothingStuck: {"nothingStuck", true,
		"issue 16, 13: WaitContext does not say stuck when nothing runs"},
	stuckSaysDropped: {"stuckSaysDropped", true,
		"3: StuckError says what was dropped as well as what still runs, and whose it is"},
	namesOnce: {"namesOnce", true,
		"3: a name stands once in a path, however deep tasks of one owner nest"},
	oneWorkerOrders: {"oneWorkerOrders", true,
		"1: each task of an owner whose limit is 1 is ordered before the next; only -race sees it"},
	selfWaitNested: {"selfWaitNested", true,
		"2: as documented today, WaitContext panics if ctx is derived from that of a task of this owner, through any other owner"},
	statsCountTasks: {"statsCountTasks", true,
		"5: as documented today, Stats counts what Go, TryGo, GoContext and Submit accept, and no helpers of loops"},
	inputStack: {"inputStack", true,
		"3: a panic has the origin's stack, also one of the input of a loop within a loop or a pool"},
	nestedStreamCancel: {"nestedStreamCancel", true,
		"5: loops within loops and pools are as at the top level, also if their context ends while an item goes on: nobody spins"},
	goexitIsNoEcho: {"goexitIsNoEcho", true,
		"issue 16, 16: under Capture a Goexit is an error of its task, also if the parent's cause is a Goexit"},
}

// What is not among the trees yet has a place as well: Settle as a fanKind, Then, Chunk, Merge and
// Keep as loopKinds.

// featureSet is the set of those that are on.
type featureSet [numFeatures]bool

var features featureSet

func (s *featureSet) on(f feature) bool { return s[f] }

// set switches on what the table says, and the features that names lists.
func (s *featureSet) set(names string) (unknown string) {
	listed := strings.FieldsFunc(names, func(r rune) bool { return r == ',' })
	for f, row := range featureTable {
		s[f] = row.on || names == "all"
	}
	for _, name := range listed {
		found := name == "all"
		for f, row := range featureTable {
			if row.name == name {
				s[f], found = true, true
			}
		}
		if !found {
			unknown = name
		}
	}
	return unknown
}
