/*
 * The workers of a stream, and how they are woken and started:
 * pool/internal/loop/stream.go and streamworker.go. README.md says which transition is
 * which function.
 *
 * The reader pulls ITEMS items. Before each, and before their end, it may wait until
 * those before it have started: so an input may block for as long as it likes. Each item ends at once, or
 * when every worker runs one, or there is no more. With CANCEL the context may end
 * at any point. With NESTED one of the workers has the caller's place, and waits for
 * items; the others leave when there is none.
 *
 * A transition is one atomic operation. What happens between taking and leaving of
 * claims, or of the loop's mu, is one.
 *
 * -DBROKEN=1 to 7 are variants with one mistake each, which spin must find: 1 waits
 * without looking for items once it is counted as waiting, 2 unsets waking only when
 * it has looked for items, 3 looks for a worker that waits before it publishes the
 * item, 4 claims an item, leaves others behind and wakes no worker, 5 (with CANCEL)
 * unsets waking also if it leaves the wake-up to others, and waits until its own
 * is taken, 6 (with NESTED) leaves without looking for items once it is uncounted,
 * 7 (with NESTED) looks for them before it is uncounted.
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
#ifndef NESTED
#define NESTED 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define MOST (WORKERS - NESTED) /* helpers */

byte tail = 0;     /* items that have been pulled */
byte head = 0;     /* items that have been claimed */
byte started = 0;  /* items that have been started */
byte running = 0;  /* and have not ended */
byte idle = 0;
bit waking = 0;
bit work = 0;      /* the channel: there is a wake-up in it */
bit inputDone = 0; /* the channel: it is closed */
bit starting = 0;
byte helpers = 0;  /* helpers that count */
byte alive = 0;    /* workers' goroutines */
bit cancelled = 0;

inline wakeWorker() {
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
		:: helpers < MOST ->
			if
			:: atomic { !starting -> starting = 1 };
				atomic {
					if
					:: helpers < MOST -> helpers++; alive++; run worker(!NESTED, 1)
					:: else -> starting = 0
					fi
				}
			:: starting
			fi
		:: helpers >= MOST
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
	:: more && BROKEN != 4 -> wakeWorker()
	:: else
	fi;
	more = 0
}

proctype worker(bit waits; bit helper) {
	bit got, more, woken;
	if
	:: helper -> starting = 0
	:: else
	fi;
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
	:: !got && !waits -> break
	:: !got && waits ->                     /* waitItem */
		idle++;
		if
		:: head == tail || BROKEN == 1 ->
			if
			:: atomic { work -> work = 0 };
				woken = 1;
				if
				:: BROKEN != 2 -> waking = 0
				:: else
				fi
			:: inputDone
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
		:: BROKEN == 2 && woken -> waking = 0
		:: else
		fi;
		woken = 0;
		if
		:: !got && (cancelled || inputDone && head == tail) -> break
		:: else
		fi
	od;
	if
	:: helper && NESTED ->
		if
		:: BROKEN == 7 -> more = (head != tail); helpers--
		:: else -> helpers--; more = (head != tail && BROKEN != 6)
		fi;
		if                              /* left */
		:: more && !cancelled -> wakeWorker()
		:: else
		fi;
		alive--
	:: helper && !NESTED -> atomic { helpers--; alive-- } /* it leaves when there is nothing left */
	:: !helper -> alive--
	fi
}

active proctype reader() {
	byte k = 0;
	bit wakes = 0;
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
		:: BROKEN == 3 -> wakes = (idle == 0 || !waking); tail++
		:: else ->
			tail++;
			if
			:: idle == 0 -> wakes = 1
			:: idle > 0 -> wakes = !waking
			fi
		fi;
		if
		:: wakes -> wakeWorker()
		:: else
		fi;
		k++
	od;
	inputDone = 1
}

active proctype canceller() {
	if
	:: CANCEL -> cancelled = 1
	:: skip
	fi
}

/* the consumer: it lends its place, and joins */
active proctype consumer() {
	if
	:: NESTED -> atomic { alive++; run worker(1, 0) }
	:: else
	fi;
	(inputDone && alive == 0);
	assert(idle == 0 && helpers == 0);
	assert(cancelled || started == ITEMS && head == ITEMS)
}
