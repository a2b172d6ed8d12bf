/* SPDX-License-Identifier: BSD-3-Clause */
/* The attention and credit protocol of torobus/wakeup.h and torobus/ring.h, on a machine whose stores
 * may be delayed past later loads (x86): SENDERS senders, one receiver, a ring that holds CAP messages.
 * Every wait is without time limit, so a lost wake-up is an invalid end state.
 *
 * Each NO_* macro takes one step out of the protocol; spin must then find an error. */
#define SENDERS 2
#define COUNT   2
#define CAP     1

/* Shared memory. pub[s] is what others see of sender s's ring; buf[s] is still in its store buffer. */
byte pub[SENDERS], buf[SENDERS + 1], head[SENDERS];
bit starving[SENDERS];

/* Ports: number SENDERS is the receiver's. */
bit pending[SENDERS];  /* the receiver's bitmap */
bit summary[SENDERS + 1], sleeping[SENDERS + 1], sleepbuf[SENDERS + 1], bell[SENDERS + 1];
#define RX SENDERS

/* The CPU empties its store buffers whenever it likes. */
active proctype store_buffers()
{
    byte i;
end:
    do
    /* (the receiver has no ring of its own: buf[RX] stays 0) */
    :: atomic { buf[0] > 0 -> buf[0]--; pub[0]++ }
    :: atomic { buf[1] > 0 -> buf[1]--; pub[1]++ }
    :: atomic { sleepbuf[0] -> sleepbuf[0] = 0; sleeping[0] = 1 }
    :: atomic { sleepbuf[1] -> sleepbuf[1] = 0; sleeping[1] = 1 }
    :: atomic { sleepbuf[RX] -> sleepbuf[RX] = 0; sleeping[RX] = 1 }
    od
}

/* A fence, or any locked instruction: everything that this CPU has stored is visible. */
#define FENCE(i) (buf[i] == 0 && sleepbuf[i] == 0)

/* torobus_wake_sleep() and the halt. The doorbell is an interrupt that ends the halt even if it comes
 * just before. */
inline halt(i)
{
    bell[i] = 0;
    sleepbuf[i] = 1;
#ifndef NO_SLEEP_FENCE
    sleepbuf[i] == 0;
#endif
    if
#ifndef NO_SLEEP_CHECK
    :: summary[i] -> skip
    :: else ->
#else
    :: true ->
#endif
        bell[i]
    fi;
    sleepbuf[i] == 0; /* own stores are seen in order by everybody */
    sleeping[i] = 0
}

proctype sender(byte s)
{
    byte sent;

    do
    :: sent < COUNT && sent - head[s] < CAP ->
        buf[s]++; /* torobus_ring_commit() */
        sent++;
#ifndef NO_SEND_FENCE
        buf[s] == 0;
#endif
        if
        :: pending[s] -> skip
        :: else ->
            FENCE(s); /* locked or */
            pending[s] = 1;
            FENCE(s);
            summary[RX] = 1;
            if
            :: sleeping[RX] -> bell[RX] = 1
            :: else
            fi
        fi
    :: sent < COUNT && sent - head[s] >= CAP ->
        summary[s] = 0;
        FENCE(s);
        starving[s] = 1;
        if
#ifndef NO_CREDIT_CHECK
        :: sent - head[s] < CAP -> skip
        :: else ->
#else
        :: true ->
#endif
            halt(s)
        fi;
        starving[s] = 0
    :: sent == COUNT -> break
    od
}

byte got[SENDERS], freed[SENDERS];
bit hot[SENDERS];

/* torobus_ring_flush() and the notice to a producer that starves. */
inline flush(s)
{
    if
    :: freed[s] != got[s] ->
        freed[s] = got[s];
        FENCE(RX);
        head[s] = got[s];
        if
        :: starving[s] ->
            summary[s] = 1;
            if
            :: sleeping[s] -> bell[s] = 1
            :: else
            fi
        :: else
        fi
    :: else
    fi
}

inline poll(s)
{
    if
    :: hot[s] && pub[s] > got[s] ->
        got[s]++;
        if
        :: flush(s)
        :: skip /* credit is returned lazily */
        fi
    :: hot[s] && pub[s] <= got[s] ->
        /* drop it: at once, or stay for another round */
        if
        :: skip
        :: true ->
#ifndef NO_DROP_FLUSH
            flush(s);
#endif
            FENCE(RX);
            pending[s] = 0;
            if
#ifndef NO_RECHECK
            :: pub[s] > got[s] -> pending[s] = 1
            :: else -> hot[s] = 0
#else
            :: true -> hot[s] = 0
#endif
            fi
        fi
    :: else
    fi
}

active proctype receiver()
{
    run sender(0);
    run sender(1);
    do
    :: got[0] == COUNT && got[1] == COUNT -> break
    :: else ->
        if
        :: summary[RX] ->
            FENCE(RX);
            summary[RX] = 0;
            if
            :: pending[0] -> hot[0] = 1
            :: else
            fi;
            if
            :: pending[1] -> hot[1] = 1
            :: else
            fi
        :: else
        fi;
        poll(0);
        poll(1);
        if
        :: !hot[0] && !hot[1] && !(got[0] == COUNT && got[1] == COUNT) -> halt(RX)
        :: else
        fi
    od
}
