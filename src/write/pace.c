/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  How fast to seal: a sealer in the background takes the CPU that nobody
 *	  else wants, and where there is none, a share that grows with what waits to
 *	  be sealed.
 *
 * Whether others want the CPU shows in the time that a piece of work takes: it
 * is longer than the CPU time spent on it.  (Waiting for a slow disk looks the
 * same, and is as good a reason to give way.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sched.h>
#include <time.h>

#include "compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
#include "write/write.h"

/* Let others go first so often. */
#define YIELD_MS			0.2

/* See how much of a CPU we get after so much work. */
#define PIECE_MS			10.0

/* The machine is busy if a piece of work gets less of a CPU than this. */
#define BUSY_SHARE			0.9

/*
 * A sealer's share of one CPU then: this, plus the square of the closed runs'
 * number by so many, so that it is little during a burst, and all of it in the
 * end.
 */
#define LEAST_SHARE			(1.0 / 64)
#define URGENT_RUNS			512.0

/* One sleep is no longer, with the lock and without. */
#define SLEEP_MAX_MS		500.0
#define REST_MAX_MS			10000.0

typedef struct Clocks
{
	double		cpu;			/* ms */
	double		wall;
} Clocks;

static Relation paced_rel = NULL;
static double share;
static double slept;			/* ms since ledger_pace_begin() */
static Clocks piece_start;
static double last_leave_check;

static double
read_clock(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		return 0;
	return now.tv_sec * 1000.0 + now.tv_nsec / 1000000.0;
}

static Clocks
read_clocks(void)
{
	Clocks		result;

	result.cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
	result.wall = read_clock(CLOCK_MONOTONIC);
	return result;
}

/*
 * Seal the relation, which has so many closed runs, with regard to others
 * until ledger_pace_end().
 *
 * Half of the sleep is for the caller to have afterwards, without the lock on
 * the relation: autovacuum does not wait for that, and would never have it.
 */
void
ledger_pace_begin(Relation rel, uint32 closed_slots)
{
	double		urgency = closed_slots / URGENT_RUNS;

	paced_rel = rel;
	share = LEAST_SHARE + urgency * urgency;
	slept = 0;
	piece_start = read_clocks();
	last_leave_check = piece_start.wall;
}

/* Returns for how many ms the caller is to sleep now. */
long
ledger_pace_end(void)
{
	paced_rel = NULL;
	return (long) Min(slept, REST_MAX_MS);
}

/*
 * Sleep half as long as would make the CPU time our share, unless somebody
 * waits for our lock.
 */
static void
make_way(double cpu)
{
	double		sleep = Min((cpu / share - cpu) / 2, SLEEP_MAX_MS);

	if (sleep < 1 || LockHasWaitersRelation(paced_rel, ShareUpdateExclusiveLock))
		return;
	InvalidateCatalogSnapshotConditionally();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (long) sleep,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	slept += sleep;
}

/*
 * To be called often while sealing, where no buffer is locked.
 *
 * Every sealer lets whoever waits for its CPU go first, so that an insertion
 * need not wait for the end of a time slice.  Beyond that VACUUM and
 * ledger.seal(), which somebody waits for, are only held up by what VACUUM's
 * cost limits say.
 */
void
ledger_give_way(void)
{
	static double last_yield = 0;
	double		now = read_clock(CLOCK_MONOTONIC);
	double		cpu,
				wall;

	if (now - last_yield >= YIELD_MS)
	{
		sched_yield();
		last_yield = now;
	}
	if (paced_rel == NULL)
	{
		vacuum_delay_point_compat();
		return;
	}
	CHECK_FOR_INTERRUPTS();
	wall = now - piece_start.wall;
	if (wall < PIECE_MS)
		return;
	if (now - last_leave_check >= LEDGER_LEAVE_CHECK_MS)
	{
		ledger_leave_unwanted();
		last_leave_check = now;
	}
	cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - piece_start.cpu;
	if (cpu < wall * BUSY_SHARE)
		make_way(cpu);
	piece_start = read_clocks();
}
