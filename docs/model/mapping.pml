/*
 * The workers of pool.Map, and how they are woken and started: pool/mapping.go and
 * pool/mapworker.go. README.md says which transition is which function.
 *
 * The reader pulls ITEMS items. Before each, and before their end, it may wait until
 * those before it have started: so an input may block for as long as it likes. Each item ends at once, or
 * when every worker runs one, or there is no more. With CANCEL the context may end
 * at any point.
 *
 * A transition is one atomic operation. What happens between taking and leaving of
 * claims, or of the loop's mu, is one.
 *
 * -DBROKEN=1 to 5 are variants with one mistake each, which spin must find: 1 waits
 * without looking for items once it is counted as waiting, 2 unsets waking only when
 * it has looked for items, 3 looks for a worker that waits before it publishes the
 * item, 4 claims an item, leaves others behind and calls nobody, 5 (with CANCEL)
 * unsets waking also if it leaves the call to others, and waits until its own call
 * is taken.
 */

#ifndef ITEMS
#define ITEMS 3
#endif
#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef CANCEL
#define CANCEL 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

byte tail = 0;     /* items that have been pulled */
byte head = 0;     /* items that have been claimed */
byte started = 0;  /* items that have been started */
byte running = 0;  /* and have not ended */
byte idle = 0;
bit waking = 0;
bit work = 0;      /* the channel: there is a call in it */
bit ended = 0;
bit noMore = 0;    /* the channel: it is closed */
bit joining = 0;
byte helpers = 0;  /* workers that there are */
bit cancelled = 0;

inline callWorker() {
	if
	:: idle > 0 ->
		if
		:: !waking ->
			if
			:: atomic { !waking -> waking = 1 };
				if
				:: BROKEN == 5 -> atomic { !work -> work = 1 }
				:: BROKEN != 5 -> work = 1
				fi
			:: waking
			fi
		:: waking
		fi
	:: idle == 0 ->
		if
		:: helpers < WORKERS ->
			if
			:: atomic { !joining -> joining = 1 };
				atomic {
					if
					:: helpers < WORKERS -> helpers++; run worker()
					:: else -> joining = 0
					fi
				}
			:: joining
			fi
		:: helpers >= WORKERS
		fi
	fi
}

/* claim leaves in got whether there was an item */
inline claim() {
	atomic {
		got = head < tail;
		head = head + got;
		more = head < tail
	}
	if
	:: more && BROKEN != 4 -> callWorker()
	:: else
	fi;
	more = 0
}

proctype worker() {
	bit got, more, called;
	joining = 0;
	claim();
	do
	:: got ->
		if
		:: cancelled -> break
		:: atomic { started++; running++ };
			if
			:: skip
			:: skip -> (running == WORKERS || started == ITEMS || cancelled)
			fi;
			running--
		fi;
		claim()
	:: !got ->                              /* waitItem */
		idle++;
		if
		:: head == tail || BROKEN == 1 ->
			if
			:: atomic { work -> work = 0 };
				called = 1;
				if
				:: BROKEN != 2 -> waking = 0
				:: else
				fi
			:: noMore
			:: cancelled
			fi
		:: head != tail
		fi;
		idle--;
		if
		:: BROKEN == 5 -> waking = 0
		:: else
		fi;
		claim();
		if
		:: BROKEN == 2 && called -> waking = 0
		:: else
		fi;
		called = 0;
		if
		:: !got && (cancelled || ended && head == tail) -> break
		:: else
		fi
	od;
	helpers--
}

active proctype reader() {
	byte k = 0;
	bit call = 0;
	do
	:: skip ->
		if
		:: skip
		:: skip -> (started == tail || cancelled)    /* the input blocks */
		fi;
		if
		:: k == ITEMS || cancelled -> break
		:: k < ITEMS
		fi;
		if
		:: BROKEN == 3 -> call = (idle == 0 || !waking); tail++
		:: else ->
			tail++;
			if
			:: idle == 0 -> call = 1
			:: idle > 0 -> call = !waking
			fi
		fi;
		if
		:: call -> callWorker()
		:: else
		fi;
		k++
	od;
	ended = 1;
	noMore = 1
}

active proctype canceller() {
	if
	:: CANCEL -> cancelled = 1
	:: skip
	fi
}

/* the consumer, when it joins */
active proctype consumer() {
	(ended && noMore && helpers == 0);
	assert(idle == 0);
	assert(cancelled || started == ITEMS && head == ITEMS)
}
