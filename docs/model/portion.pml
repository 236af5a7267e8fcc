/*
 * The portions of pool.Pool, step by step: pool/portion.go, with what worker.go does
 * around it. README.md says which transition is which function.
 *
 * A submitter puts TASKS tasks into the ring, which two workers run. With NEEDS each
 * task of even number waits until the one behind it has begun. A task returns, or, of
 * which DEATHS do so, ends its worker by runtime.Goexit. With RESIZE somebody sets the
 * limit to 1 and then to 2 again.
 *
 * A transition is one atomic operation on a portion's word, the reading or the clearing
 * of an entry, or one taking or leaving of mu. What is done to data that only the holder
 * of mu may look at is part of the transition before it. The tasks in the ring are
 * those numbered from head to tail-1, so an entry is known by its number.
 *
 * -DBROKEN=1 to 7 are variants with one mistake each, which spin must find: 1 uses a
 * portion again while a worker is attached to it, 2 recalls without a
 * compare-and-swap, 3 keeps a portion to the worker that made it, 4 wakes nobody for
 * the sake of a portion, 5 sets the limit without recalling, 6 prefers the ring to
 * the portion, 7 clears a worker's last entry when the portion is no longer its own.
 */

#ifndef TASKS
#define TASKS 5
#endif
#ifndef NEEDS
#define NEEDS 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef RESIZE
#define RESIZE 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#define SIZE 3                /* entries of a portion */
#define PORTIONS 3
#define NONE 255

bit mu = 0;
byte head = 0, tail = 0;      /* of the ring */
byte limit = 2, awake = 0, spare = 0;
byte wakes = 0;               /* workers that are being woken or started */
byte current = NONE;

byte taken[PORTIONS];         /* the word: it never exceeds 255 here */
byte end[PORTIONS];
byte attached[PORTIONS];
byte entries[9];              /* of the portions, SIZE each */

bit begun[TASKS];
byte claimed = 0, ended = 0, deaths = 0;
bit resizing = 0;

#define LEFT(g) (taken[g] < end[g] -> end[g] - taken[g] : 0)
#define WAITING (tail - head + (current == NONE -> 0 : LEFT(current)))

/* whenever mu is let go: */
inline unlock() {
	assert(WAITING == 0 || spare > 0 || awake >= limit);
	mu = 0
}

/* lacksLocked and rouseLocked */
inline rouse() {
	if
#if BROKEN == 4
	:: spare == 0 && awake < limit && tail > head -> awake++; spare++; wakes++
#else
	:: spare == 0 && awake < limit && WAITING > 0 -> awake++; spare++; wakes++
#endif
	:: else
	fi
}

/* takes the next entry of portion p, with index i; t is NONE if there is none left */
inline take(p) {
	atomic {
		i = taken[p];
		taken[p]++;
		if
		:: i < end[p] ->
			assert(entries[p*SIZE+i] == claimed); /* in order, and once */
			assert(resizing || awake <= limit);
			claimed++
		:: else -> i = NONE
		fi
	}
	if
	:: i != NONE ->
		atomic {
			t = entries[p*SIZE+i];
			assert(t != NONE && !begun[t])
		}
	:: else -> t = NONE
	fi
}

/* clears the entry that the worker has taken last of portion p */
inline clear(p) {
	assert(entries[p*SIZE+at] == held);
	entries[p*SIZE+at] = NONE;
	at = 0;
	held = NONE
}

inline belated() {
	atomic {
		if
		:: late != NONE -> entries[late] = NONE; late = NONE
		:: else
		fi
	}
}

inline detach() {
	if
	:: g != NONE ->
		attached[g]--;
#if BROKEN == 7
		late = g*SIZE + at;
		at = 0;
		held = NONE;
#else
		clear(g);
#endif
		g = NONE
	:: else
	fi
}

/* portionLocked: a portion of what comes after t, or none */
inline portion() {
	if
	:: true
	:: head < tail ->
		n = 0;
		do
		:: n == PORTIONS -> break
#if BROKEN == 1
		:: n < PORTIONS && n != current -> break
#else
		:: n < PORTIONS && n != current && attached[n] == 0 -> break
#endif
		:: n < PORTIONS && !(n != current && attached[n] == 0) -> n++
		od;
		if
		:: n < PORTIONS ->
			g = n;
			attached[g]++;
			n = 1;
			do
			:: n < SIZE && head < tail -> entries[g*SIZE+n] = head; head++; n++
			:: n == SIZE || head == tail -> break
			od;
			taken[g] = 1;
			end[g] = n;
#if BROKEN != 3
			current = g
#endif
		:: else
		fi;
		n = 0
	fi
}

proctype worker() {
	byte t = NONE, g = NONE, i = NONE, n = 0;
#if BROKEN == 7
	byte late = NONE;
#endif
	byte at = 0, held = NONE; /* the index of its entry in g, and what that holds */
	bit isSpare = 0, abnormal = 0;
asleep:
#if BROKEN == 7
	belated();
#endif
end_asleep:
	atomic { wakes > 0 -> wakes--; isSpare = 1 }
next:
	if
	:: g != NONE -> take(g)
	:: else -> t = NONE
	fi;
	if
	:: t != NONE ->
		atomic { clear(g); at = i; held = t; i = NONE }
		goto runs
	:: else
	fi;
	atomic { mu == 0 -> mu = 1; detach() };
	if
	:: awake > limit -> goto rests
	:: else
	fi;
	if
#if BROKEN == 6
	:: current != NONE && head == tail ->
#else
	:: current != NONE ->
#endif
		take(current);
		atomic {
			if
			:: t != NONE -> g = current; attached[g]++; at = i; held = t; i = NONE
			:: else -> current = NONE
			fi
		}
	:: else
	fi;
	atomic {
		if
		:: t == NONE && head < tail ->
			t = head;
			assert(t == claimed);
			claimed++;
			head++;
			portion()
		:: else
		fi;
		if
		:: t != NONE ->
			spare = spare - isSpare;
			isSpare = 0
		:: else
		fi
	}
	if
	:: t == NONE -> goto rests
	:: else
	fi;
	atomic { rouse(); unlock() }
runs:
#if BROKEN == 7
	belated();
#endif
	atomic {
		assert(!begun[t]);
		begun[t] = 1
	}
	/* the task */
#if NEEDS
	if
	:: t % 2 == 0 && t + 1 < TASKS -> begun[t+1]
	:: else
	fi;
#endif
	atomic {
		t = NONE;
		ended++;
		if
		:: goto next
		:: deaths < DEATHS -> deaths++
		fi
	}
	atomic { mu == 0 -> mu = 1; detach(); awake--; rouse(); unlock() } /* leave */
	goto asleep;
rests:
	atomic {
		awake--;
		spare = spare - isSpare;
		isSpare = 0;
		rouse();
		unlock()
	}
	goto asleep
}

active proctype submitter() {
	do
	:: tail < TASKS -> atomic { mu == 0 -> mu = 1; tail++; rouse(); unlock() }
	:: else -> break
	od
}

/* recallLocked */
inline recall() {
	if
	:: current != NONE ->
#if BROKEN == 2
		from = (taken[current] < end[current] -> taken[current] : end[current]);
		atomic { to = end[current]; taken[current] = from; end[current] = from }
#else
		atomic {
			from = (taken[current] < end[current] -> taken[current] : end[current]);
			to = end[current];
			taken[current] = from;
			end[current] = from
		}
#endif
		atomic {
			do
			:: to > from ->
				to--;
				head--;
				assert(entries[current*SIZE+to] == head);
				entries[current*SIZE+to] = NONE
			:: else -> break
			od;
			current = NONE;
			from = 0;
			to = 0
		}
	:: else
	fi
}

#if RESIZE
/* SetWorkers */
active proctype resizer() {
	byte from, to;
	atomic { mu == 0 -> mu = 1; limit = 1; resizing = 1 };
#if BROKEN != 5
	recall();
#endif
	atomic { resizing = 0; rouse(); unlock() };
	atomic { mu == 0 -> mu = 1; limit = 2; resizing = 1 };
#if BROKEN != 5
	recall();
#endif
	atomic { resizing = 0; rouse(); unlock() }
}
#endif

init {
	byte n;
	atomic {
		for (n : 0 .. 8) { entries[n] = NONE }
		run worker();
		run worker();
		n = 0
	}
	/* everything has been run, and everybody rests */
	atomic {
		ended == TASKS && tail == TASKS && awake == 0 -> assert(spare == 0 && wakes == 0 && WAITING == 0);
		for (n : 0 .. 8) { assert(entries[n] == NONE) }
	}
}
