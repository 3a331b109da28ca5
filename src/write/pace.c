/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  How fast to seal: a sealer in the background takes the CPU that nobody
 *	  else wants, and where there is none, a share that grows with what waits to
 *	  be sealed.
 *
 * Whether others want the CPU shows in the time that a piece of work takes: it
 * is longer than the CPU time spent on it.  (Waiting for a slow disk looks the
 * same, and is as good a reason to give way.)  That comes late where sessions
 * wait for each other or the disk: they leave a CPU idle now and then, and are
 * slower for every bit of it that we take.  So the sealer also looks, while it
 * sleeps, how much the machine has to spare.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

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

/* The machine is busy if a piece of work gets less of a CPU than this, ... */
#define BUSY_SHARE			0.9

/* ... or if it had fewer CPUs idle while we slept for so long at least. */
#define SPARE_CPUS			0.75
#define PROBE_MS			100.0

/* Sleep for that purpose so often. */
#define PROBE_INTERVAL_MS	1000.0

/*
 * A sealer's share of one CPU then: this, plus the square of the closed runs'
 * number by so many, so that it is little during a burst, and all of it in the
 * end.
 */
#define LEAST_SHARE			(1.0 / 1024)
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

/* Whether the machine had CPU to spare when we last slept, and when. */
static bool spare = false;
static double last_probe = 0;

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
 * How long the machine's CPUs have been idle, in ms of them all together, or
 * -1 if the system does not say.
 */
static double
read_idle(void)
{
	char		text[64];
	double		up,
				idle = -1;
	int			fd = open("/proc/uptime", O_RDONLY | O_CLOEXEC);
	ssize_t		n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	(void) close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return sscanf(text, "%lf %lf", &up, &idle) == 2 ? idle * 1000.0 : -1;
}

/* Wait on the latch, and see meanwhile what the machine has to spare. */
void
ledger_pace_sleep(long ms)
{
	double		idle = read_idle();
	double		start = read_clock(CLOCK_MONOTONIC);
	double		now;

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	now = read_clock(CLOCK_MONOTONIC);
	if (now - start < PROBE_MS)
		return;
	spare = idle < 0 || read_idle() - idle >= (now - start) * SPARE_CPUS;
	last_probe = now;
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

/* Sleep, unless somebody waits for our lock. */
static void
make_way(double ms)
{
	if (ms < 1 || LockHasWaitersRelation(paced_rel, ShareUpdateExclusiveLock))
		return;
	InvalidateCatalogSnapshotConditionally();
	ledger_pace_sleep((long) ms);
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
	if (!spare || cpu < wall * BUSY_SHARE)
	{
		/* half as long as would make the CPU time our share */
		double		ms = Max(0, Min((cpu / share - cpu) / 2, SLEEP_MAX_MS));

		make_way(ms);
		slept += ms;
	}
	else if (now - last_probe >= PROBE_INTERVAL_MS)
		make_way(PROBE_MS);
	piece_start = read_clocks();
}
