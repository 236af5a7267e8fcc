/*
 * group.Engine, step by step: group/engine.go with crowd.go, queue.go, chunk.go and
 * lots.go, and room.go, start.go and submitter.go for the limit. README.md says which
 * transition is which function.
 *
 * GOERS goroutines start TASKS tasks between them and then wait; the last
 * IMPATIENT of them may give up whenever they wait in Go. Each task returns, or
 * ends its goroutine, by a panic or by runtime.Goexit; before that it may wait
 * until every task that is accepted has started, also one that is accepted later,
 * and nobody waits in Go though there is room. With NEST the last task is started by
 * the first. RESIZES says how often SetLimit is called, by one more goroutine.
 *
 * A transition is one atomic operation, or all that is done with mu held between two
 * of them. A goroutine that can run does so sooner or later, on any number of Ps;
 * PROCS is the number that the engine knows of.
 *
 * -DBROKEN=1 and so on are variants with one mistake each, which README.md lists.
 * In these the invariants are not asserted: spin has to find what comes of it.
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
#ifndef IMPATIENT
#define IMPATIENT 0
#endif
#ifndef LIMIT
#define LIMIT NOLIMIT
#endif
#ifndef SHARED
#define SHARED 0              /* permits of the shared semaphore; 0: there is none */
#endif
#ifndef FOREVER
#define FOREVER 0             /* 1: who has given up calls Go again, and no task panics */
#endif
#ifndef RESIZES
#define RESIZES 0
#endif
#ifndef SET1
#define SET1 1                /* what the calls of SetLimit set */
#endif
#ifndef SET2
#define SET2 NOLIMIT
#endif
#ifndef SET3
#define SET3 2
#endif
#ifndef NEST
#define NEST 0
#endif
#ifndef LOT
#define LOT 3                 /* the length of a chunk */
#endif
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef CROWD
#define CROWD 0               /* 1: the engine has been used before */
#endif
#ifndef TURNS
#define TURNS 1
#endif
#ifndef SLOTS
#define SLOTS 7               /* goroutines of the engine at once, at most */
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#define NONE 255
#define NOLIMIT 255

byte goroutines = 0;          /* the core.WaitGroup */

/* guarded by mu */
bit  mu = 0;
byte busy = 0;
byte spares = 0;
byte yielding = 0;
bit  begun = 0;
bit  crowd = CROWD || LIMIT != NOLIMIT || SHARED > 0;
chan queue = [TASKS] of { byte };

/* the lots, and the chunks that they are; claimed is atomic, and stands still at end */
typedef chunk_t {
	byte claimed;
	byte end;
	byte task[LOT];
	bit  used;            /* not in the free list */
	bit  listed
}
chunk_t chunk[CHUNKS];
chan lots = [CHUNKS] of { byte };

/* the room; guarded by mu, except the permits of the shared semaphore */
byte limit = LIMIT;
byte reserved = 0;
byte expected = 0;
byte sem = SHARED;
chan room = [GOERS+1] of { byte, byte }; /* submitters who wait, and their tasks */

/* a submitter is one who calls Go: a goer, or the task that does so */
mtype = { waiting, started, placed, gaveUp };
mtype state[GOERS+1];
bit parked[GOERS+1];

/* goroutines of the engine, of which one may run */
bit alive[SLOTS];
byte given[SLOTS];            /* 1 + the task that it was started for; 0: for none */

/* what the tasks do */
#define NEW 0
#define ACCEPTED 1
#define STARTED 2
#define ENDED 3
#define DROPPED 4             /* Go has given up */
byte status[TASKS];
byte unstarted = 0;           /* tasks that are accepted */
byte live = 0;                /* tasks that are accepted or started */

byte waited = 0;              /* goers whose wait has returned */
byte resized = 0;

/* for use within a transition */
hidden byte i, s, u, some, noRoom;

#if CHUNKS == 1
#define INLOTS OPEN(0)
#elif CHUNKS == 2
#define INLOTS (OPEN(0) + OPEN(1))
#else
#define INLOTS (OPEN(0) + OPEN(1) + OPEN(2))
#endif
#define OPEN(c) (chunk[c].listed * (chunk[c].end - chunk[c].claimed))
#define EXHAUSTED (lot == NONE || chunk[lot].claimed == chunk[lot].end)
#define RUNNING (busy + len(queue) + INLOTS)
#define FITS (RUNNING + reserved < limit)
#define LIMITED (limit != NOLIMIT || SHARED > 0)

#define INVARIANT (len(queue) + INLOTS == 0 || spares > 0 || (busy > 0 && yielding > 0))
#define ROOM (!FITS || len(room) == 0 || len(queue) > 0)

/* whenever mu is let go: */
inline unlock() {
	assert(BROKEN || INVARIANT);
	assert(BROKEN || ROOM);
	mu = 0
}

/* what a task may wait for before it ends */
#define MAYEND (!waits || (unstarted == 0 && (len(room) == 0 || live + reserved >= limit)))

inline accept(n) {
	assert(status[n] == NEW);
	status[n] = ACCEPTED;
	unstarted++;
	live++;
	assert(RESIZES > 0 || live + reserved <= LIMIT);
	assert(SHARED == 0 || live <= SHARED)
}

inline begin() {
	assert(status[t] == ACCEPTED);
	status[t] = STARTED;
	unstarted--;
	if
	:: waits = 0
	:: waits = 1
	fi
}

inline ends() {
	status[t] = ENDED;
	live--;
	t = NONE;
	waits = 0
}

/* moreLocked, and the go statements */
inline more(n) {
	s = n;
	spares = spares + s;
	goroutines = goroutines + s;
	i = 0;
	do
	:: s > 0 && alive[i] -> i++
	:: s > 0 && !alive[i] -> alive[i] = 1; s--
	:: s == 0 -> break
	od
}

/* lots.oldest */
inline oldest(c) {
	c = NONE;
	do
	:: c == NONE && len(lots) > 0 ->
		lots?<c>;
		if
		:: chunk[c].claimed == chunk[c].end ->
			lots?c;
			chunk[c].listed = 0;
#if BROKEN == 7
			chunk[c].used = 0;
#endif
			c = NONE
		:: else
		fi
	:: else -> break
	od
}

inline mend(wanted) {
	some = NONE;
	if
	:: spares < (wanted) && len(queue) == 0 && BROKEN != 2 && BROKEN != 5 -> oldest(some)
	:: else
	fi;
	if
	:: spares < (wanted) && (len(queue) > 0 || some != NONE) -> more((wanted) - spares)
	:: else
	fi
}

/* chunk.claim: t is a task, or NONE */
inline claim(c) {
	if
	:: chunk[c].claimed < chunk[c].end ->
		t = chunk[c].task[chunk[c].claimed];
		chunk[c].task[chunk[c].claimed] = 0;
		chunk[c].claimed++;
		begin()
	:: else
	fi
}

inline putDown() {
	if
	:: lot != NONE ->
		if
		:: chunk[lot].listed && BROKEN != 8 -> lots??eval(lot); chunk[lot].listed = 0
		:: else
		fi;
		assert(chunk[lot].used);
		chunk[lot].used = 0;
		chunk[lot].claimed = 0;
		chunk[lot].end = 0;
		lot = NONE
	:: else
	fi
}

/* a lot, or the oldest task alone if there is none, or its chunk has no other */
inline pick() {
	if
	:: !LIMITED && len(queue) > 1 ->
		lot = 0;
		do
		:: chunk[lot].used -> lot++
		:: else -> break
		od;
		assert(!chunk[lot].listed);
		chunk[lot].used = 1;
		chunk[lot].claimed = 0;
		chunk[lot].end = 0;
		do
		:: len(queue) > 0 && chunk[lot].end < LOT ->
			queue?u;
			chunk[lot].task[chunk[lot].end] = u;
			chunk[lot].end++
		:: else -> break
		od;
		lots!lot;
		chunk[lot].listed = 1;
		claim(lot)
	:: queue?t -> begin()
	fi
}

inline admit() {
	if
	:: len(queue) == 0 ->
		do
		:: len(room) > 0 && FITS ->
			room?s,u;
			expected++;
			if
			:: s >= GOERS-IMPATIENT && s < GOERS || SHARED > 0 -> state[s] = placed; reserved++
			:: else -> state[s] = started; accept(u); queue!u
			fi;
			parked[s] = 0
		:: else -> break
		od
	:: else
	fi
}

/* giveBack, for a task that is not started */
inline giveBack() {
	atomic {
		mu == 0 ->
		reserved--;
		place = 0;
#if BROKEN != 16
		admit();
#endif
		mend(1);
		status[n] = DROPPED;
		unlock()
	}
}

/* start, with push and await */
inline Go(impatient) {
	do
	:: atomic { /* push */
			mu == 0 ->
			reserved = reserved - place;
			noRoom = (limit != NOLIMIT && !(FITS && (place || len(room) == 0)));
			place = 0;
			if
			:: noRoom ->
				got = waiting;
				state[me] = waiting;
				room!me,n;
				yielding++
			:: !noRoom && SHARED > 0 && !shared && sem == 0 ->
				got = placed;
				place = 1;
				reserved++
			:: else ->
				got = started;
				sem = sem - (SHARED > 0 && !shared);
				shared = 0;
				accept(n);
				if
				:: !crowd && !begun -> /* firstLocked */
					begun = 1;
					busy = 1;
					more(1);
					given[i] = n+1
				:: else -> crowd = 1; queue!n
				fi;
				if
				:: !crowd
#if BROKEN == 3
				:: crowd && goroutines > 0
#else
				:: crowd && spares > 0 && (LIMITED || spares >= len(queue) || spares >= PROCS)
#endif
#if BROKEN == 4
				:: else -> spares++; late = 1
#else
				:: else -> more(1)
#endif
				fi
			fi;
			unlock()
		}
#if BROKEN == 4
		if
		:: atomic { late -> late = 0; spares--; more(1) }
		:: else
		fi;
#endif
		if
		:: got == started -> break
		:: got == placed -> /* acquire */
			if
			:: atomic { sem > 0 -> sem--; shared = 1 }
			:: impatient -> giveBack(); break
			fi
		:: got == waiting ->
			if
			:: shared -> sem++; shared = 0
			:: else
			fi;
			atomic { /* back from the yield */
				mu == 0 ->
				yielding--;
				if
				:: BROKEN != 11 && (yielding == 0 || BROKEN != 19) -> mend(1)
				:: else
				fi;
#if BROKEN == 12
				got = waiting;
#else
				leave();
#endif
				parked[me] = (got == waiting);
				unlock()
			}
			if
			:: got == waiting -> /* park */
				if
				:: !parked[me]
				:: impatient
				fi;
				atomic {
					mu == 0 ->
					parked[me] = 0;
					leave();
					if
					:: got == waiting -> room??eval(me),eval(n); got = gaveUp; status[n] = DROPPED
					:: else
					fi;
					unlock()
				}
			:: else
			fi;
			if
			:: got == started || got == gaveUp -> break
			:: got == placed -> place = 1
			:: got == placed && impatient -> giveBack(); break
			fi
		fi
	od;
	got = 0
}

inline leave() {
	got = state[me];
	expected = expected - (got != waiting)
}

/* serve */
active [SLOTS] proctype goroutine() {
	byte t = NONE, lot = NONE, c = NONE;
	bit waits = 0, ran = 0, thief = 0, stay = 0;
	byte yields = 0;
#if NEST
	byte n = TASKS-1;
	byte me = GOERS;
	mtype got;
	bit place = 0, shared = 0, late = 0;
#endif

end:	if                      /* until it is alive it is none */
	:: atomic { alive[_pid] && given[_pid] > 0 && mu == 0 -> /* serveFirst */
			t = given[_pid] - 1;
			given[_pid] = 0;
			begin();
			spares--;
			mend(BROKEN != 20);
			unlock();
			goto work
		}
	:: alive[_pid] && given[_pid] == 0
	fi;

next:	/* take */
	atomic {
		mu == 0 -> mu = 1;
		if
		:: ran -> ends(); busy--
		:: else -> assert(spares > 0); spares--
		fi;
		putDown();
		admit();
		if
		:: (!ran || len(queue) == 0) && BROKEN != 5 -> oldest(c)
		:: else
		fi
	}
	do
	:: atomic { c != NONE -> /* steal */
			thief = 1;
			claim(c);
			if
			:: t == NONE -> oldest(c)
			:: else -> c = NONE
			fi
		}
	:: atomic { c == NONE ->
			if
			:: t == NONE && len(queue) > 0 -> pick()
			:: else
			fi;
			busy = busy + (t != NONE);
#if BROKEN != 15
			admit();
#endif
			stay = (t == NONE && yields < TURNS && expected > 0);
			spares = spares + stay;
			if
			:: t != NONE && yielding > 0
			:: !(t != NONE && yielding > 0) && thief && !ran -> mend(PROCS)
			:: !(t != NONE && yielding > 0) && !thief && !ran && lot != NONE -> mend(PROCS) /* if somebody waits */
			:: !(t != NONE && yielding > 0) && !(thief && !ran) -> mend(BROKEN != 1)
			fi;
			thief = 0;
			unlock()
		}
		break
	od;
	if
	:: SHARED > 0 && ran -> sem++
	:: else
	fi;
	atomic {
		ran = 0;
		if
		:: t != NONE -> yields = 0; goto work
		:: t == NONE && stay -> stay = 0; yields++; goto next
		:: else -> yields = 0; goto gone
		fi
	}

work:	/* it has claimed t, and runs it */
#if NEST
	if
	:: t == 0 && status[n] == NEW -> Go(0)
	:: else
	fi;
#endif
	if
#if BROKEN == 6
	:: atomic { MAYEND && !EXHAUSTED -> ends(); c = chunk[lot].claimed }
		atomic { chunk[lot].claimed = c; c = NONE; claim(lot); goto work }
#else
	:: atomic { MAYEND && !EXHAUSTED -> ends(); claim(lot); goto work } /* returns */
#endif
	:: atomic { MAYEND && EXHAUSTED && mu == 0 -> ran = 1; goto next }
	:: atomic { MAYEND && mu == 0 && !FOREVER -> /* aborts; end */
			ends();
#if BROKEN == 9
			putDown();
#endif
			lot = NONE;
			busy--;
#if BROKEN != 14
			admit();
#endif
#if BROKEN == 10
			mend(yielding == 0);
#elif BROKEN != 13
			mend(1);
#endif
			unlock()
		}
		if
		:: SHARED > 0 -> sem++
		:: else
		fi
	fi;

gone:	atomic { goroutines--; alive[_pid] = 0; goto end }
}

inline SetLimit(n) {
	atomic {
		mu == 0 -> mu = 1;
		if
		:: n != NOLIMIT && BROKEN != 18 -> oldest(c)
		:: else
		fi
	}
	do
#if BROKEN == 17
	:: atomic { c != NONE && load == NONE -> load = chunk[c].claimed }
		atomic { chunk[c].claimed = load; load = NONE;
#else
	:: atomic { c != NONE -> /* revoke */
#endif
			do
			:: chunk[c].claimed < chunk[c].end ->
				queue!chunk[c].task[chunk[c].claimed];
				chunk[c].task[chunk[c].claimed] = 0;
				chunk[c].claimed++
			:: else -> break
			od;
			oldest(c)
		}
	:: atomic { c == NONE ->
			crowd = 1;
			limit = n;
			admit();
			mend(1);
			unlock()
		}
		break
	od
}

proctype resizer() {
	byte c = NONE, load = NONE;

	SetLimit(SET1);
#if RESIZES > 1
	SetLimit(SET2);
#endif
#if RESIZES > 2
	SetLimit(SET3);
#endif
	resized = 1
}

/* starts the tasks from n to last, and waits for them */
proctype goer(byte me, n, last) {
	byte first = n;
	mtype got;
	bit place = 0, shared = 0, late = 0;

	do
	:: n <= last ->
		Go(me >= GOERS-IMPATIENT);
#if FOREVER
		if
		:: status[n] == DROPPED -> status[n] = NEW; n--
		:: else
		fi;
#endif
		n++
	:: else -> break
	od;
	/* Wait: an instant at which the counter is zero */
	atomic {
		goroutines == 0;
		do
		:: first <= last -> assert(status[first] == ENDED || status[first] == DROPPED); first++
		:: else -> break
		od;
		assert(!NEST || me > 0 || status[TASKS-1] == ENDED);
		waited++
	}
}

init {
	atomic {
		run goer(0, 0, TASKS-NEST-GOERS);
#if GOERS > 1
		run goer(1, TASKS-NEST-GOERS+1, TASKS-NEST-GOERS+1);
#endif
#if GOERS > 2
		run goer(2, TASKS-NEST-GOERS+2, TASKS-NEST-GOERS+2);
#endif
#if RESIZES
		run resizer()
#else
		resized = 1
#endif
	}
	/* when all have waited, all is as it was */
	(waited == GOERS && resized && goroutines == 0);
	assert(busy == 0 && spares == 0 && yielding == 0 && len(queue) == 0 && INLOTS == 0);
	assert(len(room) == 0 && reserved == 0 && expected == 0 && sem == SHARED)
}

#if FOREVER
ltl bothStart { <> (status[0] > ACCEPTED && status[1] > ACCEPTED) }
#else
ltl everybodyReturns { <> (waited == GOERS) }
#endif
