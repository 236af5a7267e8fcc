/*
 * core.Semaphore, step by step: core/semaphore.go, and core/internal/park for the
 * parking. README.md says which transition is which function.
 *
 * WORKERS goroutines Acquire and Release ROUNDS times each, the last of them with
 * a weight of 2, the others with 1. WAITERS more do the same and may give up
 * at any point, the last of them with a weight of 2. The limit is 2; RESIZES
 * times it is changed in between, to 1, to 0 and back to 2.
 *
 * A transition is one atomic operation, or one taking or leaving of mu. What is
 * done to data that only the holder of mu may look at is part of the transition
 * before it.
 *
 * -DBROKEN=1 to 5 are variants with one mistake each, which spin must find:
 * 1 gives up without serving those behind, 2 keeps permits that were granted as the
 * waiter gave up, 3 gives the word back although somebody waits, 4 queues up
 * without looking again whether there is room, 5 serves one waiter at most.
 */

#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef RESIZES
#define RESIZES 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define ALL (WORKERS + WAITERS)

/* word: the truth while S is 0 */
byte wInUse = 0;
byte wLimit = 2;
bit  S = 0;

/* guarded by mu: the truth while S is 1 */
bit  mu = 0;
byte inUse = 0;
byte limit = 0;
byte queue[ALL+1];
byte queued = 0;

/* of each waiter; end sets its outcome and unparks it */
mtype = { waiting, granted, refused }
mtype outcome[ALL];
byte weight[ALL];

/* Workers of weight 1 are alike, so it is enough to look at the runs in which they
 * begin in the order of their numbers. */
byte started = 0;
#define MAY_BEGIN (round > 0 || n > 1 || mayGiveUp || me == started)
#define BEGIN started = (round == 0 && n == 1 && !mayGiveUp -> me + 1 : started)

/* what is true, for the properties; the algorithm does not look at it */
byte held = 0;            /* by all, from when they have it to when they begin to release */
byte trueLimit = 2;

#define fits(n) (inUse + n <= limit)

#if BROKEN == 4
#define ROOM 0
#else
#define ROOM (queued == 0 && fits(n))
#endif

#if BROKEN == 3
#define PARK unlock()
#define MAYUNSET 1
#else
#define PARK d_step { served(); mu = 0 }
#define MAYUNSET (queued == 0)
#endif

inline took(n) {
	held = held + n;
	assert(held <= trueLimit)  /* never over the limit */
}

#define served() assert(queued == 0 || !fits(weight[queue[0]]))  /* who may proceed does */

inline lock() {
	atomic { mu == 0 -> mu = 1 }
	d_step {
		if
		:: !S -> inUse = wInUse; limit = wLimit; wInUse = 0; wLimit = 0; S = 1
		:: else
		fi
	}
}

inline unlock() {
	d_step {
		served();
		if
		:: MAYUNSET -> wInUse = inUse; wLimit = limit; inUse = 0; limit = 0; S = 0
		:: else
		fi
	}
	mu = 0
}

inline remove(w) {
	k = 0;
	do
	:: k < queued && queue[k] != w -> k++
	:: else -> break
	od;
	assert(k < queued);  /* nobody is taken out twice */
	queued--;
	do
	:: k < queued -> queue[k] = queue[k+1]; k++
	:: else -> break
	od;
	queue[queued] = 0;
	k = 0
}

/* grant serves the queue from the front until somebody does not fit. */
inline grant() {
	do
	:: queued > 0 && fits(weight[queue[0]]) ->
		d_step {
			j = queue[0];
			remove(j);
			inUse = inUse + weight[j];
			outcome[j] = granted;
			took(weight[j]);
			j = 0
		}
#if BROKEN == 5
		break
#endif
	:: else -> break
	od
}

proctype acquirer(byte me; byte n; bit mayGiveUp) {
	byte round = 0, k = 0, j = 0;
	bit got = 0;
	do
	:: round < ROUNDS ->
		if
		:: atomic { MAY_BEGIN && !S && wInUse + n <= wLimit ->    /* acquireFast */
				BEGIN;
				wInUse = wInUse + n; took(n); got = 1;
				assert(queued == 0) }              /* nobody is passed */
		:: atomic { MAY_BEGIN && (S || wInUse + n > wLimit) ->    /* waitSlow */
				BEGIN }
			lock();
			if
			:: n > limit && limit > 0 ->
				unlock()
			:: !(n > limit && limit > 0) && ROOM ->           /* take */
				d_step { inUse = inUse + n; took(n); got = 1 }
				unlock()
			:: !(n > limit && limit > 0) && !ROOM ->
				d_step {
					outcome[me] = waiting; weight[me] = n;
					queue[queued] = me; queued++
				}
				PARK;
				if
				:: outcome[me] != waiting -> got = (outcome[me] == granted)
				:: mayGiveUp && outcome[me] != refused -> /* giveUpSlow */
					lock();
					d_step {
						if
						:: outcome[me] == waiting -> remove(me)
						:: outcome[me] == granted && BROKEN != 2 ->
							inUse = inUse - n; held = held - n
						:: else
						fi
					}
#if BROKEN != 1
					grant();
#endif
					unlock()
				fi;
				d_step { outcome[me] = 0; weight[me] = 0 }
			fi
		fi;
		if
		:: got ->
			if
			:: atomic { !S -> held = held - n; got = 0;               /* releaseFast */
				assert(n <= wInUse); wInUse = wInUse - n }
			:: atomic { S -> held = held - n; got = 0 }               /* releaseSlow */
				lock();
				d_step { assert(n <= inUse); inUse = inUse - n }
				grant();
				unlock()
			fi
		:: else
		fi;
#ifdef FOREVER
		if
		:: mayGiveUp -> round++  /* who gives up for ever might keep mu from the others */
		:: else -> round = 1
		fi
#else
		round++
#endif
	:: else -> break
	od
}

proctype resizer() {
	byte round = 0, k = 0, j = 0, i = 0;
	do
	:: round < RESIZES ->
		lock();
		d_step {
			limit = (round == 0 -> 1 : (round == 1 -> 0 : 2));
			trueLimit = limit;
			i = 0;
			do
			:: limit > 0 && i < queued ->
				if
				:: weight[queue[i]] > limit -> outcome[queue[i]] = refused; j = queue[i]; remove(j); j = 0
				:: else -> i++
				fi
			:: else -> break
			od;
			i = 0
		}
		grant();
		unlock();
		round++
	:: else -> break
	od
}

init {
	byte i = 0;
	atomic {
		do
		:: i < WORKERS -> run acquirer(i, (i == WORKERS-1 -> 2 : 1), 0); i++
		:: else -> break
		od;
		do
		:: i < ALL -> run acquirer(i, (i == ALL-1 -> 2 : 1), 1); i++
		:: else -> break
		od;
		i = 0;
		if
		:: RESIZES > 0 -> run resizer()
		:: else
		fi
	}
}

/* Nobody is lost: all the others being done, who still waits is an invalid end
 * state. And who waits gets its permits, while the others go on for ever: */
#ifdef FOREVER
ltl served { [] (outcome[WORKERS-1] == waiting -> <> (outcome[WORKERS-1] != waiting)) }
#endif
