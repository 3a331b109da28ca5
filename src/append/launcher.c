/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  Who calls for maintenance: a worker of its own, or whoever appends.
 *
 * One worker at a time maintains the ledgers of a database, and goes when it is
 * done.  It is started by a launcher, if the library is preloaded; else by a
 * session that opens a run in a leaf of a managed ledger, when it finds that it
 * is the newest, or that maintenance is overdue.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "write/write.h"

/* The launcher has each database maintained so often. */
#define LAUNCH_INTERVAL_MS	60000

/* Without a launcher, a session has it done if it was not for so long. */
#define OVERDUE_SECONDS		300

/* A session looks, and starts a worker, no more often. */
#define ASK_INTERVAL_MS		60000

/* What a database's worker holds a lock on, so that there is one: see write/worker.c */
#define MAINTAINER_SUBID	0xFFFE

PGDLLEXPORT void ledger_maintainer_main(Datum arg);
PGDLLEXPORT void ledger_launcher_main(Datum arg);

bool		ledger_maintenance_on = true;
static char *maintenance_databases = NULL;

static void
set_maintainer_tag(LOCKTAG *tag, Oid database)
{
	SET_LOCKTAG_OBJECT(*tag, database, RelationRelationId, InvalidOid, MAINTAINER_SUBID);
}

/* ---- starting workers ---- */

static bool
start_maintainer(Oid database, bool wait)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "ledger", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "ledger_maintainer_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, BGW_MAXLEN, "ledger maintenance of database %u", database);
	strlcpy(worker.bgw_type, "ledger maintenance", BGW_MAXLEN);
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = wait ? MyProcPid : 0;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		return false;
	if (wait)
		(void) WaitForBackgroundWorkerShutdown(handle);
	pfree(handle);
	return true;
}

/* Have this database's ledgers maintained soon, unless they are just now. */
void
ledger_want_maintenance(void)
{
	LOCKTAG		tag;

	if (!ledger_maintenance_on || RecoveryInProgress())
		return;
	set_maintainer_tag(&tag, MyDatabaseId);
	if (LockAcquire(&tag, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return;
	LockRelease(&tag, ShareLock, false);
	(void) start_maintainer(MyDatabaseId, false);
}

/* A run has been opened in a relation: see whether there is something to do. */
static void
run_opened(Relation rel)
{
	static TimestampTz last = 0;
	static Oid	last_relid = InvalidOid;
	TimestampTz now = GetCurrentTimestamp();
	LedgerLeaf	leaf;
	bool		again = last_relid == RelationGetRelid(rel);

	if (!ledger_maintenance_on || !rel->rd_rel->relispartition)
		return;
	if (again && !TimestampDifferenceExceeds(last, now, ASK_INTERVAL_MS))
		return;
	/* no insertion is to wait for its parent's lock for this, holding its own */
	if (!ledger_find_leaf(RelationGetRelid(rel), false, &leaf))
		return;
	if (!leaf.newest && !TimestampDifferenceExceeds(last, now, ASK_INTERVAL_MS))
		return;
	last = now;
	last_relid = RelationGetRelid(rel);
	if (leaf.newest || ledger_maintenance_is_overdue(OVERDUE_SECONDS))
		ledger_want_maintenance();
}

/* The sealer has sealed entries of a relation, or has met an error. */
static void
note_sealed(Oid relid, int64 entries, const char *error)
{
	LedgerLeaf	leaf;
	char	   *name;

	if (!ledger_find_leaf(relid, false, &leaf) || get_rel_name(relid) == NULL)
		return;
	name = ledger_qualified_name(relid);
	if (error != NULL)
		ledger_note_trouble(leaf.settings.relid, name, "failed", error);
	else
		ledger_note_activity(leaf.settings.relid, name, "sealed", psprintf(INT64_FORMAT " entries", entries));
}

/* ---- the worker of a database ---- */

static void
retire(int code, Datum arg)
{
	AbortOutOfAnyTransaction();
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
}

/* Whether the extension is in this database. */
static bool
has_extension(void)
{
	return OidIsValid(get_extension_oid("ledger", true));
}

void
ledger_maintainer_main(Datum arg)
{
	Oid			database = DatumGetObjectId(arg);
	LOCKTAG		tag;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	before_shmem_exit(retire, (Datum) 0);
	set_maintainer_tag(&tag, database);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		proc_exit(0);

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (ledger_maintenance_on && has_extension())
		ledger_maintain_all(InvalidOid, false);
	CommitTransactionCommand();
	proc_exit(0);
}

/* ---- the launcher ---- */

/* The databases to look after: those named, or all. */
static List *
list_databases(MemoryContext cxt)
{
	List	   *result = NIL;
	List	   *names = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	if (!SplitIdentifierString(pstrdup(maintenance_databases), ',', &names))
	{
		ereport(LOG,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("invalid list syntax in parameter \"ledger.maintenance_databases\"")));
		return NIL;
	}
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		bool		named = names == NIL;
		ListCell   *lc;
		MemoryContext oldcxt;

		foreach(lc, names)
			named |= strcmp(lfirst(lc), NameStr(database->datname)) == 0;
		if (!named || !database->datallowconn || database->datistemplate)
			continue;
		oldcxt = MemoryContextSwitchTo(cxt);
		result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(oldcxt);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

void
ledger_launcher_main(Datum arg)
{
	MemoryContext cxt;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	cxt = AllocSetContextCreate(TopMemoryContext, "ledger launcher", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		List	   *databases;
		ListCell   *lc;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (ledger_maintenance_on)
		{
			SetCurrentStatementStartTimestamp();
			StartTransactionCommand();
			(void) GetTransactionSnapshot();
			databases = list_databases(cxt);
			CommitTransactionCommand();
			foreach(lc, databases)
			{
				CHECK_FOR_INTERRUPTS();
				(void) start_maintainer(lfirst_oid(lc), true);
			}
			MemoryContextReset(cxt);
		}
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LAUNCH_INTERVAL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

static void
register_launcher(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 60;
	strlcpy(worker.bgw_library_name, "ledger", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "ledger_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "ledger launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "ledger launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/* Called by _PG_init. */
void
ledger_append_init(void)
{
	DefineCustomBoolVariable("ledger.maintenance",
							 "Whether managed ledgers are maintained.",
							 "Off stops ledger.maintain() and the workers that call it.",
							 &ledger_maintenance_on, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("ledger.maintenance_databases",
							   "Databases whose managed ledgers the launcher has maintained.",
							   "Empty: all that have the extension.",
							   &maintenance_databases, "", PGC_SIGHUP, GUC_LIST_INPUT,
							   NULL, NULL, NULL);
	MarkGUCPrefixReserved("ledger");
	if (process_shared_preload_libraries_in_progress)
		register_launcher();
	ledger_run_opened = run_opened;
	ledger_note_sealed = note_sealed;
}
