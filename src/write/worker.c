/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The sealer: a background worker started when there are runs enough for a
 *	  segment.  It needs no preloading, and exits when it has nothing to do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "write/write.h"

/* A backend tries to start a worker for the same relation no more often. */
#define WAKE_INTERVAL_MS	200

/*
 * What a relation's sealer holds a lock on, so that there is one: an object of
 * the relation's, by a number that no column has.
 */
#define SEALER_SUBID		0xFFFF

/* While the runs' transactions are in progress, wait from .. to so long. */
#define WAIT_MIN_MS			50
#define WAIT_MAX_MS			5000
#define WAIT_TOTAL_MS		60000

/* After an error, the next attempt is no sooner. */
#define ERROR_REST_MS		10000

#define LOCK_ATTEMPTS		3
#define LOCK_RETRY_MS		10

typedef struct SealerTask
{
	Oid			database;
	Oid			relation;
} SealerTask;

PGDLLEXPORT void ledger_sealer_main(Datum arg);

void		(*ledger_note_sealed) (Oid relid, int64 entries, const char *error) = NULL;

/*
 * End the process if somebody wants the database for himself.  DROP DATABASE
 * and its like hold a lock on it that no newcomer gets past, and wait for five
 * seconds until those who are there have gone.
 */
void
ledger_leave_unwanted(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
	{
		LockRelease(&tag, RowExclusiveLock, true);
		return;
	}
	ProcDiePending = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
}

static void
sleep_for(long ms)
{
	while (ms > 0)
	{
		long		part = Min(ms, LEDGER_LEAVE_CHECK_MS);

		ledger_leave_unwanted();
		ledger_pace_sleep(part);
		CHECK_FOR_INTERRUPTS();
		ms -= part;
	}
}

static void
set_sealer_tag(LOCKTAG *tag, const SealerTask *task)
{
	SET_LOCKTAG_OBJECT(*tag, task->database, RelationRelationId, task->relation, SEALER_SUBID);
}

/* Whether the relation has a sealer. */
bool
ledger_has_sealer(Relation rel)
{
	SealerTask	task = {MyDatabaseId, RelationGetRelid(rel)};
	LOCKTAG		tag;

	set_sealer_tag(&tag, &task);
	if (LockAcquire(&tag, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, ShareLock, false);
	return false;
}

/* At the end of the process, which core does not release such locks at. */
static void
retire(int code, Datum arg)
{
	AbortOutOfAnyTransaction();
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
}

/* Become the relation's sealer until the process ends; false if there is one. */
static bool
become_sealer(SealerTask *task)
{
	LOCKTAG		tag;

	set_sealer_tag(&tag, task);
	for (int i = 0; i < LOCK_ATTEMPTS; i++)
	{
		if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
		{
			before_shmem_exit(retire, (Datum) 0);
			return true;
		}

		/* a backend may just be looking whether there is a sealer */
		sleep_for(LOCK_RETRY_MS);
	}
	return false;
}

/*
 * Start a sealer, if there is something for it to do.  If no worker is to be
 * had, the runs wait for the next call, or for VACUUM.
 */
void
ledger_wake_sealer(Relation rel, uint32 closed_slots)
{
	static Oid	last_relid = InvalidOid;
	static TimestampTz last_time = 0;
	BackgroundWorker worker = {0};
	SealerTask	task = {MyDatabaseId, RelationGetRelid(rel)};
	TimestampTz now;

	if (closed_slots < LEDGER_WAKE_AT_RUNS || RelationUsesLocalBuffers(rel))
		return;
	now = GetCurrentTimestamp();
	if (last_relid == task.relation &&
		!TimestampDifferenceExceeds(last_time, now, WAKE_INTERVAL_MS))
		return;
	last_relid = task.relation;
	last_time = now;
	if (ledger_has_sealer(rel))
		return;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "ledger", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "ledger_sealer_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, BGW_MAXLEN, "ledger sealer for relation %u", task.relation);
	strlcpy(worker.bgw_type, "ledger sealer", BGW_MAXLEN);
	memcpy(worker.bgw_extra, &task, sizeof(task));
	RegisterDynamicBackgroundWorker(&worker, NULL);
}

/*
 * One step, in a transaction of its own, so that the lock goes to whoever
 * waits for it.  Returns what ledger_seal_some does, or -2 if there is nothing
 * left to wait for; *rest becomes how many ms to leave to others then.
 */
static int64
seal_step(Oid relid, long *rest)
{
	LedgerMetaData meta;
	Relation	rel;
	int64		result = -1;

	*rest = 0;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, "ledger: sealing");

	/* VACUUM, ANALYZE or a change of the table has it: they go first */
	if (ConditionalLockRelationOid(relid, ShareUpdateExclusiveLock))
	{
		result = -2;
		rel = try_relation_open(relid, NoLock);
		if (rel != NULL)
		{
			if (ledger_is_ledger(rel))
			{
				Oid			user;
				int			context;

				GetUserIdAndSecContext(&user, &context);
				SetUserIdAndSecContext(rel->rd_rel->relowner,
									   context | SECURITY_RESTRICTED_OPERATION);
				ledger_settle_bulk(rel);
				if (ledger_read_meta(rel, &meta))
				{
					ledger_pace_begin(rel, meta.closed_slots);
					result = ledger_seal_some(rel, LEDGER_SEAL_FULL);
					*rest = ledger_pace_end();
				}
				if (result < 0 &&
					(!ledger_read_meta(rel, &meta) || meta.closed_slots < LEDGER_WAKE_AT_RUNS))
					result = -2;
				SetUserIdAndSecContext(user, context);
				if (result > 0 && ledger_note_sealed != NULL)
					ledger_note_sealed(relid, result, NULL);
			}
			relation_close(rel, NoLock);
		}
	}
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	return result;
}

/* Seal until there is nothing left to do, or to wait for. */
static void
seal_relation(Oid relid)
{
	long		wait = WAIT_MIN_MS;
	long		waited = 0;

	for (;;)
	{
		long		rest;
		int64		result;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		result = seal_step(relid, &rest);
		if (result == -2)
			break;
		if (result >= 0)
		{
			wait = WAIT_MIN_MS;
			waited = 0;
			if (rest > 0)
				sleep_for(rest);
			continue;
		}

		/* the inserters of a closed run are still in progress */
		if (waited >= WAIT_TOTAL_MS)
			break;
		sleep_for(wait);
		waited += wait;
		wait = Min(wait * 2, WAIT_MAX_MS);
	}
}

static void
note_error(const SealerTask *task, const ErrorData *error)
{
	if (ledger_note_sealed == NULL)
		return;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	ledger_note_sealed(task->relation, 0, error->message);
	CommitTransactionCommand();
}

void
ledger_sealer_main(Datum arg)
{
	static SealerTask task;

	memcpy(&task, MyBgworkerEntry->bgw_extra, sizeof(task));
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(task.database, InvalidOid, 0);
	if (!become_sealer(&task))
		proc_exit(0);

	/*
	 * After an error (a full disk, say) stay for a while, so that backends do
	 * not start one sealer after the other in vain.
	 */
	PG_TRY();
	{
		seal_relation(task.relation);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		HOLD_INTERRUPTS();
		EmitErrorReport();
		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		(void) ledger_pace_end();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		note_error(&task, error);
		if (become_sealer(&task))
			sleep_for(ERROR_REST_MS);
	}
	PG_END_TRY();
	proc_exit(0);
}
