/*
 * An only task of a scheduler, core/sched/only.go. README.md says which transition is which
 * function.
 *
 * One submitter starts task 0 and then tasks 2 and so on, another starts task 1. A waiter waits as
 * soon as task 0 has been started, another when all tasks have been. One more goroutine locks
 * mu once, and with SHARE makes shared. Each task returns, or first waits until all tasks have
 * begun: no task may hold up another.
 *
 * A transition is one atomic operation on only, or what is done with mu held between two of them.
 *
 * -DBROKEN=1 and so on are variants with one mistake each, which README.md lists.
 */

#ifndef TASKS
#define TASKS 3
#endif
#ifndef SHARE
#define SHARE 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define noTask 0
#define starting 1
#define running 2
#define countedStarting 3
#define counted 4
#define none 255

byte only = noTask;
bool mu, shared;
byte busy, searching;         /* guarded by mu */
byte queued, head;            /* tasks in the run queue, guarded by mu: those from head on, in queue */
byte queue[TASKS];
bool listed[2], woken[2];     /* of each waiter, guarded by mu */
byte began, ended, started;   /* how many tasks have begun, have ended, were accepted */
bool taskEnded[TASKS];
bool firstStarted;            /* task 0 was accepted */

/* lock, with countOnlyLocked */
inline lock() {
	atomic { !mu -> mu = true };
	count()
}

inline count() {
	if
	:: atomic { only == starting && BROKEN != 1 -> only = countedStarting; busy++ }
	:: atomic { only == starting && BROKEN == 1 -> skip }
	:: atomic { only == running -> only = counted; busy++ }
	:: atomic { only != starting && only != running -> skip }
	fi
}

inline unlock() { mu = false }

/* share, with countAllLocked */
inline share() {
	if
	:: shared -> skip
	:: else ->
		do
		:: atomic { only == noTask -> if :: BROKEN == 2 -> skip :: else -> only = counted fi; break }
		:: atomic { only == starting || only == running -> skip }; count()
		:: atomic { only >= countedStarting -> break }
		od;
		atomic { shared = true; searching = (only == countedStarting -> 1 : 0) }
	fi
}

/* wakeUnlessYieldingLocked with 1 */
inline tend() {
	if
	:: head < queued && searching == 0 -> searching++; run worker(none, false)
	:: else -> skip
	fi
}

inline idleNow() {
	if
	:: busy == 0 && head == queued ->
		if :: listed[0] -> listed[0] = false; woken[0] = true :: else -> skip fi;
		if :: listed[1] -> listed[1] = false; woken[1] = true :: else -> skip fi
	:: else -> skip
	fi
}

inline Go(t) {
	if
	:: atomic { only == noTask -> only = starting; started++; run worker(t, true) }
	:: atomic { only != noTask -> skip };
		lock();
		share();
		atomic { queue[queued] = t; queued++; started++; tend() };
		unlock()
	fi
}

inline find() {
	if
	:: head < queued -> t = queue[head]; head++; busy++; tend()
	:: else -> idleNow()
	fi
}

proctype worker(byte t; bool isOnly) {
	if
	:: isOnly ->
		if
		:: atomic { only == starting -> only = running }
		:: atomic { only != starting -> skip };
			lock();
			atomic {
				if
				:: BROKEN == 4 -> skip
				:: else -> only = counted
				fi;
				if
				:: shared -> searching--; if :: BROKEN == 3 -> skip :: else -> tend() fi
				:: else -> skip
				fi
			};
			unlock()
		fi
	:: else -> skip
	fi;
	do
	:: t != none ->             /* the task runs */
		began++;
		if
		:: true -> skip
		:: true -> began == TASKS
		fi;
		atomic { taskEnded[t] = true; ended++ };
		if
		:: isOnly ->
			isOnly = false;
			if                  /* endOnly */
			:: atomic { only == running -> only = noTask }; break
			:: atomic { only != running && BROKEN == 5 -> only = noTask }; break
			:: atomic { only != running && BROKEN != 5 -> skip }
			fi
		:: else -> skip
		fi;
		lock();                 /* visitLocked */
		atomic {
			busy--;
			if
			:: !shared -> only = noTask; idleNow(); t = none
			:: else -> t = none; find()
			fi
		};
		unlock();
		if :: t == none -> break :: else -> skip fi
	:: else ->
		lock();
		atomic { searching--; find() };
		unlock();
		if :: t == none -> break :: else -> skip fi
	od
}

inline Wait(me) {
	if
	:: atomic { only == noTask -> skip }
	:: atomic { only != noTask -> skip };
		lock();
		atomic {
			if
			:: busy == 0 && head == queued -> woken[me] = true
			:: else -> listed[me] = true
			fi
		};
		unlock();
		woken[me]
	fi
}

active proctype submitter() {
	byte k;
	Go(0);
	firstStarted = true;
	for (k : 2 .. TASKS-1) {
		Go(k)
	}
}

active proctype another() { Go(1) }

active proctype waiterOfFirst() {
	firstStarted;
	Wait(0);
	assert(taskEnded[0])
}

active proctype waiterOfAll() {
	started == TASKS;
	Wait(1);
	assert(ended == TASKS)
}

active proctype locker() {
	lock();
	if
	:: SHARE -> share()
	:: else -> skip
	fi;
	unlock()
}
