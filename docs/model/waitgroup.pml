/*
 * core.WaitGroup, step by step: core/waitgroup.go, and core/internal/park for the
 * parking. README.md says which transition is which function.
 *
 * WORKERS goroutines Add(1) and Done() ROUNDS times each, whenever they like.
 * WAITERS goroutines wait ROUNDS times each, whenever they like, and all but the
 * first may give up at any point. So every round's Add and Wait may come in the
 * middle of the wake-up of the round before.
 *
 * A transition is one atomic operation, or one taking or leaving of mu. What is
 * done to data that only the holder of mu may look at is part of the transition
 * before it.
 *
 * -DREFUSED=2 adds a goroutine that twice takes off more than there is: its calls
 * are refused, and so may be others that overlap them, which then try again.
 *
 * -DBROKEN=1 to 5 are variants with one mistake each, which spin must find:
 * 1 releases whoever stands in the queue, 2 checks the counter before it hands
 * out the number rather than as it does, 3 sets Q after that, 4 gives up without
 * looking whether it has been released, 5 (with REFUSED) undoes an addition without
 * looking what that has made of the counter.
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
#ifndef BROKEN
#define BROKEN 0
#endif

/* The number in the word has two bits here, so that it wraps. */
#define MASK 3
#define FIRST 3

/* state */
short counter = 0;
bit  Q = 0;
byte number = FIRST & MASK;

/* guarded by mu */
bit  mu = 0;
byte issued = FIRST;
byte queue[WAITERS+1];    /* waiters, in the order of their numbers */
byte queued = 0;          /* how many */
byte n[WAITERS];          /* a waiter's number, with all its bits */

/* of each waiter */
bit granted[WAITERS];     /* its outcome */
bit unparked[WAITERS];    /* channel closed, or cond signalled */

/* Workers are alike, so it is enough to look at the runs in which they begin in
 * the order of their numbers. */
byte started = 0;

/* what is true, for the properties; the algorithm does not look at it */
bit inCall[WAITERS];
bit sawZero[WAITERS];     /* counter was zero at an instant within the call */
#ifdef FOREVER
bit owed[WAITERS];        /* ... and after it had its number */
#endif

#define lock(m)   atomic { m == 0 -> m = 1 }
#define unlock(m) m = 0

inline noteZero() {
	k = 0;
	do
	:: k < WAITERS ->
		if
		:: inCall[k] -> sawZero[k] = 1
		:: else
		fi;
#ifdef FOREVER
		if
		:: n[k] > 0 -> owed[k] = 1
		:: else
		fi;
#endif
		k++
	:: else -> break
	od;
	k = 0
}

/* leave takes waiter w out of the queue, and clears Q if that was the last. */
inline leave(w) {
	d_step {
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
		k = 0;
		if
		:: queued == 0 -> Q = 0
		:: else
		fi
	}
}

inline push(w) {
	n[w] = issued;
	queue[queued] = w;
	queued++
}

/* What an addition has made of counter is looked at in the same step. */
inline crossed() {
	if
	:: counter == 0 && Q -> slow = 1; last = number; noteZero()
	:: counter == 0 && !Q -> noteZero()
	:: else
	fi
}

inline releaseIfSlow() {
	if
	:: slow ->                                                        /* releaseSlow */
		lock(mu);
#if BROKEN == 1
		last = issued;
#else
		last = issued - ((issued - last) & MASK);
#endif
		do
		:: queued > 0 && n[queue[0]] <= last ->
			w = queue[0];
			leave(w);
			granted[w] = 1;                                   /* end */
			d_step { unparked[w] = 1; w = 0 }
		:: else -> break
		od;
		atomic { last = 0; slow = 0; unlock(mu) }
	:: else
	fi
}

/* An addition that has left the range is undone (addSlow), which may be what makes
 * counter zero. It panics then; here it is tried again. */
#ifdef REFUSED
inline undo(delta) {
#if BROKEN == 5
	counter = counter - delta;
#else
	d_step { counter = counter - delta; crossed() }
	releaseIfSlow();
#endif
	refused = 0
}
#endif

proctype worker(byte me) {
	byte round = 0, k = 0, last = 0, w = 0;
	bit slow = 0, refused = 0;
	do
	:: round < ROUNDS ->
#ifdef REFUSED
		do
		:: atomic {                                               /* Add(1) */
				round > 0 || me <= started;
				counter++;
				started = (round == 0 && me == started -> me + 1 : started);
				refused = counter < 0
			}
			if
			:: refused -> undo(1)
			:: else -> break
			fi
		od;
		do
		:: atomic {                                               /* Done() */
				counter--;
				refused = counter < 0;
				if
				:: !refused -> crossed()
				:: else
				fi
			}
			if
			:: refused -> undo(-1)
			:: else -> break
			fi
		od;
		round++;
#else
		atomic {                                                  /* Add(1) */
			round > 0 || me == started;
			counter++;
			started = (round == 0 -> me + 1 : started)
		}
		d_step {                                                  /* Done() */
			counter--;
			crossed();
#ifdef FOREVER
			round = 1
#else
			round++
#endif
		}
#endif
		releaseIfSlow()
	:: else -> break
	od
}

#ifdef REFUSED
/* Takes off more than there can be: is refused each time. */
proctype intruder() {
	byte round = 0, k = 0, last = 0, w = 0;
	bit slow = 0, refused = 0;
	do
	:: round < REFUSED ->
		counter = counter - (WORKERS + 1);
		undo(-(WORKERS + 1));
		round++
	:: else -> break
	od
}
#endif

proctype waiter(byte me; bit mayGiveUp) {
	byte round = 0, k = 0;
	bit zero = 0;
	do
	:: round < ROUNDS ->
		atomic {                                                  /* Wait, WaitContext */
			zero = (counter == 0);
			inCall[me] = 1; sawZero[me] = zero
		}
		if
		:: zero -> goto returned
		:: else
		fi;
		lock(mu);                                                 /* waitSlow */
#if BROKEN == 2
		zero = (counter == 0);
		d_step {
			if
			:: !zero -> issued++; number = issued & MASK; Q = 1; push(me)
			:: else
			fi
		}
#elif BROKEN == 3
		d_step {
			zero = (counter == 0);
			if
			:: !zero -> issued++; number = issued & MASK; push(me)
			:: else
			fi
		}
		Q = Q || !zero;
#else
		d_step {                                                  /* enter */
			zero = (counter == 0);
			if
			:: !zero -> issued++; number = issued & MASK; Q = 1; push(me)
			:: else
			fi
		}
#endif
		if
		:: zero -> unlock(mu); goto returned
		:: else
		fi;
		unlock(mu);                                               /* park */
		if
		:: unparked[me]
		:: mayGiveUp
		fi;
		if
		:: !granted[me] ->                                        /* waitSlow, after park */
			lock(mu);
#if BROKEN == 4
			leave(me);
#else
			if
			:: !granted[me] -> leave(me)
			:: else
			fi;
#endif
			unlock(mu)
		:: else
		fi;
returned:
		atomic {
			zero = zero || granted[me];
			assert(!zero || sawZero[me]);                     /* nobody is released early */
			inCall[me] = 0; sawZero[me] = 0;
			granted[me] = 0; unparked[me] = 0; n[me] = 0; zero = 0;
#ifdef FOREVER
			owed[me] = 0;
#endif
			round++
		}
	:: else -> break
	od
}

init {
	byte i = 0;
	atomic {
		do
		:: i < WORKERS -> run worker(i); i++
		:: else -> break
		od;
#ifdef REFUSED
		run intruder();
#endif
		i = 0;
		do
		:: i < WAITERS -> run waiter(i, i > 0); i++
		:: else -> break
		od
	}
}

/*
 * Nobody is lost: with patient waiters a lost one would be an invalid end state,
 * since counter is zero in the end. And who may return does, while the others
 * go on:
 */
#ifdef FOREVER
ltl returns { [] (owed[0] -> <> !inCall[0]) }
#endif
