/*
 * The scheduler, core/sched: its run queue, its workers and how they are woken, the
 * limiter, waits, and places that are lent. README.md says which transition is which
 * function.
 *
 * SUBMITTERS goroutines start TASKS tasks between them, all but the first one each, and then
 * wait for all tasks; the last IMPATIENT of them may give up whenever they are blocked. CHILDREN
 * more tasks are of a set: task 0 starts them, waits for the set, and lends its place
 * meanwhile; with TIRED it may give up. Each task returns, or, with GOEXIT, ends its
 * goroutine. Before that it may wait for whatever it may rely on: until no task waits
 * for a worker though there may be one more, and no submitter is blocked though there is room.
 * RESIZES says how often SetWorkers is called, by one more goroutine.
 *
 * A transition is one atomic operation, or all that is done with mu held between two
 * of them. In those the lock-free claims of other workers may fall.
 *
 * -DBROKEN=1 and so on are variants with one mistake each, which README.md lists.
 */

#ifndef TASKS
#define TASKS 3
#endif
#ifndef CHILDREN
#define CHILDREN 0
#endif
#ifndef SUBMITTERS
#define SUBMITTERS 1
#endif
#ifndef IMPATIENT
#define IMPATIENT 0
#endif
#ifndef TIRED
#define TIRED 0
#endif
#ifndef LATE
#define LATE 0                /* 1: the first child starts the last one */
#endif
#ifndef GOEXIT
#define GOEXIT 1
#endif
#ifndef LIMIT
#define LIMIT UNLIMITED
#endif
#ifndef MAYWAIT
#define MAYWAIT 0             /* tasks that may be accepted besides */
#endif
#ifndef WAKEAT
#define WAKEAT 1
#endif
#ifndef RESIZES
#define RESIZES 0
#endif
#ifndef SET1
#define SET1 1                /* what the calls of SetWorkers set */
#endif
#ifndef SET2
#define SET2 2
#endif
#ifndef PROCS
#define PROCS 2
#endif
#ifndef SEGMENT
#define SEGMENT 3             /* the length of a segment */
#endif
#ifndef SEGMENTS
#define SEGMENTS 2            /* that are taken at once, at most */
#endif
#ifndef YIELDS
#define YIELDS 1              /* mostYields */
#endif
#ifndef SLOTS
#define SLOTS 6               /* workers at once, at most */
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#define NONE 255
#define UNLIMITED 100
#define ALL (TASKS + CHILDREN)
#define CHILD(n) ((n) >= TASKS)

/* guarded by mu */
bit  mu = 0;
byte busy = 0;
byte searching = 0;
byte lent = 0;                /* tasks that run on a lent place */

/* the run queue; claimed is atomic, and stands still at end */
chan queue = [ALL] of { byte };
typedef segment_t {
	byte claimed;
	byte end;
	byte task[SEGMENT];
	byte attached;
	bit  child;           /* its tasks are of the set */
	bit  used;            /* in use              */
	bit  listed           /* in taken */
}
segment_t segment[SEGMENTS];
chan taken = [SEGMENTS] of { byte };

/* the limiter */
byte limit = LIMIT;
byte reserved = 0;
byte yielding = 0;
chan submitters = [SUBMITTERS] of { byte, byte }; /* who is blocked, and its task */
mtype = { blocked, admitted, hasPlace, gaveUp };
mtype state[SUBMITTERS];

/* waiters for all tasks */
bit waits[SUBMITTERS];

/* the set */
byte setBusy = 0;
byte setLent = 0;
bit  setWaits = 0;            /* task 0 waits for the set, and is listed */
bit  lender = 0;              /* and lends its place */
bit  gives = 0;               /* it has lent its place, and has not called reclaim yet */
bit  reclaims = 0;            /* it wants its place back */

/* workers' goroutines */
mtype = { none, regular, onLentPlace, runsOne };
mtype alive[SLOTS] = none;
byte given[SLOTS];            /* the task that one was started with */

/* what the tasks do */
#define NEW 0
#define ACCEPTED 1
#define STARTED 2
#define ENDED 3
#define DROPPED 4             /* Go has given up */
byte status[ALL];
byte unstarted = 0;           /* tasks that are accepted */
byte unstartedChildren = 0;   /* those of the set */
byte running = 0;             /* tasks that are started, on places of their own */
byte runningLent = 0;         /* on lent places */
byte passing = 0;             /* tasks in runLent */
bit  passed[CHILDREN+1];      /* GoWithin has returned */

byte waited = 0;              /* submitters whose wait has returned */
byte resized = 0;

/* for use within a transition */
hidden byte i, j, k, s, u, m, some;

#if SEGMENTS == 1
#define INTAKEN LEFT(0)
#define INTAKENOF LEFTOF(0)
#define SETSEGMENTS OFSET(0)
#else
#define INTAKEN (LEFT(0) + LEFT(1))
#define INTAKENOF (LEFTOF(0) + LEFTOF(1))
#define SETSEGMENTS (OFSET(0) + OFSET(1))
#endif
#define LEFT(c) (segment[c].listed * (segment[c].end - segment[c].claimed))
#define LEFTOF(c) (segment[c].child * LEFT(c))
#define OFSET(c) (segment[c].child * segment[c].used)

#define LIMITED (limit != UNLIMITED)
#define WORKERS (MAYWAIT == 0 -> UNLIMITED : limit)
#define SEARCHERS (LIMITED -> 1 : PROCS)
#define FULL (busy + searching >= WORKERS)
#define UNCLAIMED (len(queue) + INTAKEN)
#define PLACES (limit > busy + reserved -> limit - busy - reserved : 0)
#define ROOM (MAYWAIT + PLACES - UNCLAIMED)
#define EXHAUSTED (seg == NONE || segment[seg].claimed == segment[seg].end)
#define EMPTY (busy == 0 && lent == 0 && (BROKEN == 14 -> len(queue) : UNCLAIMED) == 0)
#define SETEMPTY (setBusy == 0 && childQueued == 0 && SETSEGMENTS == 0)
#define LENDS (lender > setLent && (childQueued > 0 || SETSEGMENTS > 0))

byte childQueued = 0;         /* tasks of the set in the queue */

#define INVARIANT (UNCLAIMED == 0 || searching > 0 || FULL || (busy > 0 && yielding > 0))
#define RULE (len(submitters) == 0 || ROOM < WAKEAT || (PLACES > 0 && (searching > 0 || yielding > 0)))
#define LENT (childQueued + INTAKENOF == 0 || setLent >= lender)
#define FITS (RESIZES > 0 || (running + runningLent <= LIMIT + passing + (gives || reclaims) && \
	(MAYWAIT > 0 || busy + UNCLAIMED + reserved <= LIMIT) && (MAYWAIT == 0 || busy + searching <= LIMIT)))

inline free() {
	assert(INVARIANT);
	assert(RULE);
	assert(LENT);
	assert(FITS)
}

/* whenever mu is let go: */
inline unlock() {
	free();
	mu = 0
}

/* what a task may wait for before it ends */
#define MAYEND (!blocks || ( \
	(unstarted == 0 || (MAYWAIT > 0 && running >= limit)) && \
	(unstartedChildren == 0 || !lender || runningLent > 0) && \
	(len(submitters) == 0 || MAYWAIT + (limit > running + reserved -> limit - running - reserved : 0) - unstarted < WAKEAT)))

inline accept(n) {
	assert(status[n] == NEW);
	status[n] = ACCEPTED;
	unstarted++;
	unstartedChildren = unstartedChildren + CHILD(n)
}

inline begin() {
	assert(status[t] == ACCEPTED);
	status[t] = STARTED;
	unstarted--;
	unstartedChildren = unstartedChildren - CHILD(t);
	if
	:: onLent -> runningLent++
	:: else -> running++; assert(MAYWAIT == 0 || running <= limit)
	fi;
	if
	:: blocks = 0
	:: blocks = 1
	fi
}

inline ends() {
	status[t] = ENDED;
	if
	:: onLent -> runningLent--
	:: else -> running--
	fi;
	t = NONE;
	blocks = 0
}

/* a go statement */
inline start(what) {
	i = 0;
	do
	:: alive[i] != none -> i++
	:: else -> break
	od;
	alive[i] = what
}

inline wake(want) {
	do
	:: searching < (want) && searching < (BROKEN == 10 -> len(queue) : UNCLAIMED) && !FULL -> searching++; start(regular)
	:: else -> break
	od
}

inline wakeUnlessYielding(want) {
	if
	:: yielding == 0 || busy == 0 -> wake(want)
	:: else
	fi
}

inline lendOne() {
	if
	:: LENDS -> setLent++; start(onLentPlace)
	:: else
	fi
}

inline push(n) {
	accept(n);
	queue!n;
	childQueued = childQueued + CHILD(n);
	if
	:: CHILD(n) && BROKEN != 7 -> lendOne()
	:: else
	fi;
	wakeUnlessYielding(SEARCHERS)
}

inline admit() {
	if
	:: ROOM + (BROKEN != 15) * INTAKEN >= WAKEAT ->
		do
		:: len(submitters) > 0 && ROOM > 0 ->
			submitters?s,u;
			if
			:: MAYWAIT == 0 && s >= SUBMITTERS-IMPATIENT -> state[s] = hasPlace; reserved++
			:: else -> state[s] = admitted; push(u)
			fi
		:: else -> break
		od
	:: else
	fi
}

/* release; the waits for the set end in endLocked */
inline releaseWaiters() {
	if
	:: EMPTY ->
		i = 0;
		do
		:: i < SUBMITTERS ->
			if
			:: waits[i] -> assert(running + runningLent + unstarted == 0); waits[i] = 0
			:: else
			fi;
			i++
		:: else -> break
		od
	:: else
	fi
}

/* stealable */
inline stealable(c, all) {
	c = NONE;
	i = 0;
	do
	:: c == NONE && i < len(taken) ->
		/* the list is turned round by as much as is looked at */
		taken?j;
		if
		:: segment[j].claimed == segment[j].end -> segment[j].listed = 0
		:: else -> taken!j; i++;
			if
			:: (all || segment[j].child) && c == NONE -> c = j
			:: else
			fi
		fi
	:: c != NONE && i < len(taken) ->
		taken?j; taken!j; i++
	:: i >= len(taken) -> break
	od
}

/* segment.claim: t is a task, or NONE */
inline claim(c) {
	if
	:: segment[c].claimed < segment[c].end ->
		t = segment[c].task[segment[c].claimed];
		segment[c].task[segment[c].claimed] = 0;
		segment[c].claimed++;
		begin()
	:: else
	fi
}

inline unused(c) {
	c = 0;
	do
	:: segment[c].used -> c++
	:: else -> break
	od;
	segment[c].used = 1;
	segment[c].claimed = 0;
	segment[c].end = 0
}

inline recycle(c) {
	if
	:: segment[c].listed -> taken??eval(c); segment[c].listed = 0
	:: else
	fi;
	segment[c].used = 0;
	segment[c].claimed = 0;
	segment[c].end = 0;
	segment[c].child = 0
}

inline detach(c) {
	segment[c].attached--;
	if
	:: segment[c].attached == 0 && (segment[c].claimed == segment[c].end || BROKEN == 16) -> recycle(c)
	:: else
	fi
}

/* the oldest tasks of a kind in the queue: m of them that follow one another, as a taken segment */
inline takeOf(kind, most) {
	unused(seg);
	segment[seg].child = kind;
	m = most;
	k = len(queue);
	do
	:: k > 0 ->
		k--;
		queue?u;
		if
		:: CHILD(u) == kind && m > 0 ->
			segment[seg].task[segment[seg].end] = u;
			segment[seg].end++;
			childQueued = childQueued - kind;
			m--
		:: else ->
			m = (segment[seg].end > 0 -> 0 : m);
			queue!u
		fi
	:: else -> break
	od;
	taken!seg;
	segment[seg].listed = 1;
	segment[seg].attached = 1;
	claim(seg)
}

/* the oldest task of a kind in the queue, alone */
inline popOf(kind) {
	k = len(queue);
	do
	:: k > 0 ->
		k--;
		queue?u;
		if
		:: CHILD(u) == kind && t == NONE -> t = u; childQueued = childQueued - kind
		:: else -> queue!u
		fi
	:: else -> break
	od;
	begin()
}

/* bulkLocked: how many tasks may be taken at a time, in m */
inline bulk() {
	if
	:: !LIMITED || BROKEN == 6 -> m = SEGMENT
	:: LIMITED && BROKEN != 6 && WAKEAT == 1 -> m = 0
	:: else ->
		m = (WAKEAT - 1 > INTAKEN -> WAKEAT - 1 - INTAKEN : 0);
		if
		:: len(submitters) > 0 ->
			s = (len(queue) > MAYWAIT - WAKEAT + 1 -> len(queue) - (MAYWAIT - WAKEAT + 1) : 0);
			m = (s < m -> s : m)
		:: else
		fi;
		m = (m > SEGMENT -> SEGMENT : m)
	fi
}

/* from the queue: a segment, or the oldest task alone if there is none, or one may not be taken */
inline pick() {
	bulk();
	k = 0;
	j = len(queue);
	u = NONE;                     /* the kind of the front */
	s = 0;                        /* how many of its kind stand there, up to m */
	do
	:: j > 0 ->
		j--;
		queue?some;
		queue!some;
		u = (u == NONE -> CHILD(some) : u);
		if
		:: CHILD(some) == u && k == 0 && s < m -> s++
		:: else -> k = 1
		fi
	:: else -> break
	od;
	j = u;
	if
	:: s > 1 -> takeOf(j, s)
	:: else -> popOf(j)
	fi
}

inline claimedLocked() {
	setBusy = setBusy + CHILD(t);
	if
	:: onLent -> lent++
	:: else -> busy++
	fi
}

/* endLocked: n is the task that has ended, or NONE after a search */
inline endLocked(n) {
	if
	:: seg != NONE -> detach(seg); seg = NONE
	:: else
	fi;
	if
	:: n == NONE && !onLent -> assert(searching > 0); searching--
	:: n == NONE && onLent
	:: n != NONE ->
		if
		:: onLent -> lent--
		:: else -> busy--
		fi;
		setBusy = setBusy - CHILD(n);
		if
		:: CHILD(n) && setWaits && (SETEMPTY || BROKEN == 9) -> setWaits = 0; lender = 0
		:: else
		fi
	fi
}

/* the end of a worker on a lent place */
inline gone() {
	if
	:: alive[_pid] == onLentPlace ->
		setLent--;
		reclaims = reclaims && setLent > lender
	:: else -> passing--; passed[given[_pid] - TASKS] = 1
	fi;
	alive[_pid] = none;
	onLent = 0
}

/* start, within a task: on its place if there is no room. passing and passed are runLent */
inline GoWithin(n) {
	atomic {
		mu == 0 ->
		if
		:: len(submitters) == 0 && ROOM > 0 -> push(n); passed[n - TASKS] = 1
		:: else ->
			lent++;
			setBusy++;
			accept(n);
			passing++;
			start(runsOne);
			given[i] = n
		fi;
		unlock()
	}
	passed[n - TASKS]
}

active [SLOTS] proctype worker() {
	byte t = NONE, seg = NONE, c = NONE;
	byte last = NONE;             /* the task that it has run */
	bit blocks = 0, onLent = 0, surplus = 0, searched = 0;
	byte yields = 0;
#if CHILDREN
	byte n = TASKS;               /* the next child */
#endif

end:	/* until it is alive it is none */
	atomic {
		alive[_pid] != none ->
		onLent = (alive[_pid] != regular);
		if
		:: alive[_pid] == runsOne -> t = given[_pid]; begin(); goto execute
		:: else
		fi
	}

next:	/* visitLocked */
	atomic {
		mu == 0 -> mu = 1;
		endLocked(last);
		if
		:: alive[_pid] == onLentPlace && setLent <= lender -> stealable(c, 0)
		:: alive[_pid] == regular ->
			surplus = FULL;
			if
			:: !surplus && last == NONE -> stealable(c, 1)
			:: else
			fi
		:: else
		fi
	}
	do
	:: atomic { c != NONE -> /* stealLocked, popOfLocked */
			claim(c);
			if
			:: t == NONE -> stealable(c, !onLent)
			:: else -> seg = c; segment[c].attached++; c = NONE
			fi
		}
	:: atomic { c == NONE && onLent -> /* findLentTaskLocked */
			if
			:: alive[_pid] == onLentPlace && t == NONE && setLent <= lender && childQueued > 0 ->
				queue?<u>;
				if
				:: !CHILD(u) && (!LIMITED || BROKEN == 11) -> takeOf(1, SEGMENT)
				:: else -> popOf(1)
				fi
			:: else
			fi;
			if
			:: t != NONE -> claimedLocked(); admit()
			:: else -> gone(); releaseWaiters()
			fi;
			last = NONE;
			unlock();
			if
			:: t != NONE -> goto execute
			:: t == NONE -> goto end
			fi
		}
	:: atomic { c == NONE && !onLent ->
			if
			:: t == NONE && !surplus && len(queue) > 0 -> pick()
			:: t == NONE && !surplus && len(queue) == 0 && last != NONE && !searched ->
				stealable(c, 1)
			:: else
			fi;
			if
			:: c != NONE -> searched = 1
			:: else ->
				searched = 0;
				if
				:: t != NONE -> claimedLocked()
				:: else
				fi;
				if
				:: BROKEN != 3 -> admit()
				:: else
				fi;
				if
				:: t == NONE && !surplus && len(queue) > 0 -> pick(); claimedLocked()
				:: else
				fi;
				if
				:: t != NONE && BROKEN == 1 -> yields = 0
				:: t != NONE && BROKEN != 1 -> yields = 0; wakeUnlessYielding(1)
				:: t != NONE && BROKEN != 1 && seg != NONE && !LIMITED -> yields = 0; wakeUnlessYielding(SEGMENT)
				:: t == NONE && !surplus && LIMITED && yields < YIELDS -> yields++; searching++; releaseWaiters()
				:: else -> wakeUnlessYielding(1); releaseWaiters(); yields = 0; alive[_pid] = none
				fi;
				surplus = 0;
				last = NONE;
				unlock();
				if
				:: t != NONE -> goto execute
				:: t == NONE && alive[_pid] != none -> goto next
				:: t == NONE && alive[_pid] == none -> goto end
				fi
			fi
		}
	od;

execute: /* it has claimed t, and runs it */
#if CHILDREN
	if
	:: t == 0 ->
		do
		:: n < ALL - LATE -> GoWithin(n); n++
		:: n == ALL - LATE -> break
		od;
		atomic { mu == 0 -> setWaits = !SETEMPTY; lender = setWaits; gives = lender; lendOne(); unlock() } /* listLocked */
		if
		:: !setWaits
		:: TIRED -> atomic { mu == 0 -> n = (setWaits -> NONE : n); setWaits = 0; lender = 0; unlock() } /* withdraw */
		fi;
		if
		:: n != NONE -> n = TASKS;
			do
			:: n < ALL -> assert(status[n] == ENDED); n++
			:: n == ALL -> break
			od
		:: else
		fi;
		n = TASKS;
		atomic { mu == 0 -> gives = 0; reclaims = (setLent > 0 && BROKEN != 12); unlock() } /* reclaim */
		!reclaims;
		assert(setLent == 0)
	:: t == TASKS && LATE -> n = ALL - 1; GoWithin(n); n = TASKS
	:: else
	fi;
#endif
	if
	:: atomic { MAYEND && !EXHAUSTED -> ends(); claim(seg); /* claim */
			if
			:: mu == 0 -> free()
			:: else
			fi;
			goto execute
		}
	:: atomic { MAYEND && EXHAUSTED && mu == 0 -> last = t; ends(); goto next }
	:: atomic { GOEXIT && MAYEND && mu == 0 -> /* exit */
			last = t;
			ends();
			endLocked(last);
			last = NONE;
			if
			:: onLent -> gone()
			:: else -> alive[_pid] = none
			fi;
			if
			:: BROKEN != 8 -> lendOne()
			:: else
			fi;
			admit();
			if
			:: BROKEN != 2 -> wake(1)
			:: else
			fi;
			releaseWaiters();
			unlock();
			goto end
		}
	fi
}

/* starts the tasks from n to last, and waits for all */
proctype submitter(byte me, n, last) {
	bit yields = 0;

	do
	:: n > last -> break
	:: n <= last ->
		atomic { /* submitLocked, blockLocked */
			mu == 0 ->
			if
			:: len(submitters) == 0 && ROOM > 0 -> state[me] = admitted; push(n)
			:: else -> state[me] = blocked; submitters!me,n; yielding++; yields = 1; admit()
			fi;
			unlock()
		}
		if
		:: atomic { yields && mu == 0 -> /* await */
				yields = 0;
				yielding--;
				if
				:: BROKEN != 4 -> wake(1)
				:: else
				fi;
				unlock()
			}
		:: !yields
		fi;
		if                              /* parkSubmitter */
		:: state[me] != blocked
		:: IMPATIENT && me >= SUBMITTERS-IMPATIENT && state[me] == blocked ->
			atomic {
				mu == 0 ->
				if
				:: state[me] == blocked -> submitters??eval(me),eval(n); admit(); state[me] = gaveUp; status[n] = DROPPED
				:: else
				fi;
				unlock()
			}
		fi;
		if
		:: state[me] == hasPlace ->
			if
			:: atomic { mu == 0 -> /* usePlace */
					reserved--;
					if
					:: ROOM > 0 -> push(n); state[me] = admitted
					:: else
					fi;
					unlock()
				}
			:: atomic { mu == 0 -> /* unreserve */
					reserved--;
					if
					:: BROKEN != 13 -> admit()
					:: else
					fi;
					state[me] = gaveUp;
					status[n] = DROPPED;
					unlock()
				}
			fi
		:: else
		fi;
		n = n + (state[me] != hasPlace)
	od;
	atomic { /* wait */
		mu == 0 ->
		waits[me] = !EMPTY;
		assert(waits[me] || running + runningLent + unstarted == 0);
		unlock()
	}
	atomic { !waits[me] -> waited++ }
}

#if RESIZES
chan revoked = [ALL] of { byte };

inline SetWorkers(workers) {
	atomic {
		mu == 0 -> mu = 1;
		if
		:: BROKEN != 5 -> stealable(c, 1)
		:: else
		fi
	}
	do
	:: atomic { c != NONE -> /* revoke */
			do
			:: segment[c].claimed < segment[c].end ->
				s = segment[c].task[segment[c].claimed];
				revoked!s;
				childQueued = childQueued + CHILD(s);
				segment[c].task[segment[c].claimed] = 0;
				segment[c].claimed++
			:: else -> break
			od;
			segment[c].attached++;
			detach(c);
			stealable(c, 1)
		}
	:: atomic { c == NONE ->
			do
			:: len(queue) > 0 -> queue?s; revoked!s
			:: else -> break
			od;
			do
			:: len(revoked) > 0 -> revoked?s; queue!s
			:: else -> break
			od;
			limit = workers;
			admit();
			wake(UNLIMITED);
			unlock()
		}
		break
	od
}

proctype resizer() {
	byte c = NONE;

	SetWorkers(SET1);
#if RESIZES > 1
	SetWorkers(SET2);
#endif
	resized = 1
}
#endif

init {
	atomic {
		run submitter(0, 0, TASKS-SUBMITTERS);
#if SUBMITTERS > 1
		run submitter(1, TASKS-SUBMITTERS+1, TASKS-SUBMITTERS+1);
#endif
#if SUBMITTERS > 2
		run submitter(2, TASKS-SUBMITTERS+2, TASKS-SUBMITTERS+2);
#endif
#if RESIZES
		run resizer()
#else
		resized = 1
#endif
	}
	/* when all have waited, and the workers have left, all is as it was */
	(waited == SUBMITTERS && resized);
	(searching == 0 && busy == 0 && lent == 0 && yielding == 0 && setLent == 0);
	assert(UNCLAIMED == 0 && len(submitters) == 0 && reserved == 0 && !lender && !reclaims);
	assert(running + runningLent + unstarted == 0 && SETEMPTY)
}
