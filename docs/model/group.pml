/*
 * group.Engine, step by step: group/engine.go, and group/room.go for the limit.
 * README.md says which transition is which function.
 *
 * GOERS goroutines start TASKS tasks between them and then wait. Each task first
 * waits until some task has started, any one, also one that is started later
 * (with a LIMIT: an earlier one of the same goer). With NEST the last task is
 * started by the first. Then it returns, or it ends its goroutine, by a panic or
 * by runtime.Goexit.
 *
 * A transition is one atomic operation, or one taking or leaving of mu. What is
 * done to data that only the holder of mu may look at is part of the transition
 * before it. A goroutine that can run does so sooner or later, on any number of
 * Ps; PROCS is the number that the engine knows of.
 *
 * -DBROKEN=1 to 6 are variants with one mistake each, which spin must find:
 * 1 takes a task and leaves others behind without a spare goroutine, 2 takes any
 * goroutine for one that will come for the next task, 3 counts a goroutine after
 * it has let mu go, 4 counts the goroutine of a task that panics as a spare one,
 * 5 gives a spare goroutine up though there are tasks, 6 (with LIMIT) keeps
 * credits although somebody is parked.
 */

#ifndef TASKS
#define TASKS 3
#endif
#ifndef PROCS
#define PROCS 2
#endif
#ifndef GOERS
#define GOERS 1
#endif
#ifndef LIMIT
#define LIMIT 0
#endif
#ifndef NEST
#define NEST 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#define NONE 255

byte goroutines = 0;          /* the core.WaitGroup */

/* guarded by mu */
bit  mu = 0;
byte accepted = 0;
byte spares = 0;
chan queue = [TASKS] of { byte };

/* the room; sem is the semaphore's own */
byte sem = LIMIT;
byte credits = 0;
byte yielded = 0;
byte parked = 0;

/* of each task */
byte needs[TASKS];
bit started[TASKS];
bit ended[TASKS];

byte waited = 0;              /* goers whose wait has returned */

#define INVARIANT (len(queue) == 0 || spares > 0)

/* whenever mu is let go: */
inline unlock() {
	assert(INVARIANT);
	assert(LIMIT == 0 || accepted <= LIMIT);
	assert(LIMIT == 0 || credits == 0 || parked == 0 || len(queue) > 0 || BROKEN > 0);
	mu = 0
}

/* admit; ok says whether there is room */
inline admit(ok) {
	if
	:: LIMIT == 0 -> ok = 1
	:: LIMIT > 0 && parked == 0 && credits > 0 -> credits--; ok = 1
	:: LIMIT > 0 && !(parked == 0 && credits > 0) && sem > 0 -> sem--; ok = 1
	:: LIMIT > 0 && !(parked == 0 && credits > 0) && sem == 0 -> ok = 0
	fi
}

/* start, startSlow and push */
inline Go(t) {
	atomic {
		mu == 0 -> mu = 1;
		admit(ok);
		if
		:: !ok -> yielded++; unlock()
		:: else
		fi
	}
	if
	:: !ok ->
		atomic {
			mu == 0 -> mu = 1;
			yielded--;
			admit(ok);
			if
			:: !ok -> parked++; unlock()
			:: else
			fi
		}
		if
		:: !ok ->
			atomic { sem > 0 -> sem-- };
			atomic { mu == 0 -> mu = 1; parked-- }
		:: else
		fi
	:: else
	fi;
	atomic { /* has mu */
		accepted++;
		queue!t;
#if BROKEN == 2
		more = (goroutines == 0);
#else
		more = (spares == 0 || (spares < PROCS && spares < len(queue)));
#endif
		spares = spares + more
	}
#if BROKEN == 3
	atomic { unlock() }
	goroutines = goroutines + more;
#else
	goroutines = goroutines + more;
	atomic { unlock() }
#endif
	atomic {
		if
		:: more -> run goroutine()
		:: else
		fi;
		more = 0
	}
}

/* leave, with mu held */
inline leave(taskEnded) {
	release = 0;
	if
	:: LIMIT > 0 ->
		credits = credits + taskEnded;
		if
#if BROKEN != 6
		:: parked > 0 && len(queue) == 0 -> release = credits; credits = 0
#endif
		:: else
		fi
	:: else
	fi
}

/* serve */
proctype goroutine() {
	byte t = NONE;
	bit ok = 0, more = 0, ran = 0, stay = 0;
	byte release = 0, turns = 2;

	do
	:: t == NONE -> /* take */
		atomic {
			mu == 0 -> mu = 1;
			if
			:: ran -> accepted--
			:: else -> assert(spares > 0); spares--
			fi;
			stay = 0;
			if
#if BROKEN == 5
			:: len(queue) > 0 && ran ->
#else
			:: len(queue) > 0 ->
#endif
				queue?t;
				more = (len(queue) > 0 && spares == 0 && BROKEN != 1)
			:: else ->
				stay = (turns > 0 && yielded + parked > 0)
			fi;
			spares = spares + more + stay;
			leave(ran);
			ran = 0
		}
		goroutines = goroutines + more;
		atomic { unlock() }
		atomic {
			if
			:: more -> run goroutine()
			:: else
			fi;
			more = 0
		}
		if
		:: release > 0 -> sem = sem + release
		:: else
		fi;
		if
		:: t != NONE -> turns = 2
		:: t == NONE && stay -> turns--
		:: t == NONE && !stay -> break
		fi
	:: t != NONE -> /* Run */
		assert(!started[t]);
		started[t] = 1;
		if
		:: NEST && t == 0 -> Go(TASKS-1)
		:: else
		fi;
		started[needs[t]];
		ended[t] = 1;
		if
		:: t = NONE; ran = 1
		:: break /* aborted */
		fi
	od;
	if
	:: t != NONE -> /* end */
		atomic {
			mu == 0 -> mu = 1;
			accepted--;
#if BROKEN == 4
			spares--;
#endif
			leave(1);
			unlock()
		}
		if
		:: release > 0 -> sem = sem + release
		:: else
		fi
	:: else
	fi;
	goroutines--
}

/* starts the tasks from t to last, and waits for them */
proctype goer(byte t, last) {
	bit ok = 0, more = 0;
	byte i = t;

	do
	:: i <= last -> Go(i); i++
	:: else -> break
	od;
	/* Wait: an instant at which the counter is zero */
	atomic {
		goroutines == 0;
		do
		:: t <= last -> assert(ended[t]); t++
		:: else -> break
		od;
		assert(!NEST || ended[TASKS-1]);
		waited++
	}
	/* when all have waited, all is as it was */
	(waited == GOERS && goroutines == 0);
	assert(accepted == 0 && len(queue) == 0 && spares == 0 && yielded == 0 && parked == 0);
	assert(sem + credits == LIMIT)
}

init {
	byte i = 0;
	atomic {
		do
		:: i < TASKS ->
			if
			:: LIMIT == 0 ->
				if
				:: needs[i] = 0
				:: needs[i] = 1
				:: needs[i] = TASKS-1
				fi
			:: LIMIT > 0 && GOERS == 1 && i > 0 ->
				if
				:: needs[i] = i
				:: needs[i] = i-1
				fi
			:: else -> needs[i] = i
			fi;
			i++
		:: else -> break
		od;
#if GOERS == 1
		run goer(0, TASKS-1-NEST)
#else
		run goer(0, TASKS-2);
		run goer(TASKS-1, TASKS-1)
#endif
	}
}

ltl everybodyReturns { <> (waited == GOERS) }
