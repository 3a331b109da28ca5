/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  Making partitions of a branch.
 *
 * A partition is made by CREATE TABLE and ATTACH PARTITION, which lock the
 * branch against the like only: others go on reading and appending.  It is
 * made as the branch's owner, who may be somebody else than who appends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "append/manage.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/tablespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "commands/defrem.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "write/write.h"

/* More partitions of a ledger than that are not made by appends in an hour. */
#define MADE_BY_APPENDS_MAX	100

/* Names that are tried for a partition, where others take each meanwhile. */
#define NAME_ATTEMPTS			10

/* A branch, as it is while partitions of it are made */
typedef struct Branch
{
	Oid			relid;
	Oid			ledger;			/* whose settings these are */
	const char *action;			/* what ledger.activity calls it */
	Oid			schema;
	Oid			owner;
	Oid			tablespace;
	char	   *name;
	LedgerBranchKey key;
	List	   *covered;		/* LedgerStretches, ascending */
} Branch;

static void
run(const char *sql)
{
	int			rc = SPI_execute(sql, false, 0);

	if (rc != SPI_OK_UTILITY)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(rc));
}

static void
append_bound(StringInfo sql, const LedgerBranchKey *key, Timestamp at)
{
	if (at == DT_NOBEGIN || at == DT_NOEND)
		appendStringInfoString(sql, at == DT_NOBEGIN ? "MINVALUE" : "MAXVALUE");
	else
		appendStringInfo(sql, "'%s'", ledger_time_text(key, at));
}

/* A name that no relation of the schema has, of those from number *i on. */
static char *
choose_name(const Branch *branch, const LedgerPeriod *period, Timestamp start, int *i)
{
	char		label[64];
	char		numbered[80];
	char	   *name;

	ledger_period_label(period, start, label, sizeof(label));
	for (;; (*i)++)
	{
		CHECK_FOR_INTERRUPTS();
		if (*i == 0)
			name = makeObjectName(branch->name, NULL, label);
		else
		{
			snprintf(numbered, sizeof(numbered), "%s_%d", label, *i);
			name = makeObjectName(branch->name, NULL, numbered);
		}
		if (!OidIsValid(get_relname_relid(name, branch->schema)))
			return name;
		pfree(name);
	}
}

static void
run_work(void *sql)
{
	run(sql);
}

/*
 * Create a table for a partition; its name, with the schema.  Somebody else may
 * be making one of the same name, of another branch.
 */
static char *
create_table(const Branch *branch, const LedgerPeriod *period, Timestamp start)
{
	char	   *schema = get_namespace_name(branch->schema);
	char	   *parent = quote_qualified_identifier(schema, branch->name);

	for (int i = 0, attempt = 1;; i++, attempt++)
	{
		char	   *partition = quote_qualified_identifier(schema, choose_name(branch, period, start, &i));
		StringInfoData sql;
		ErrorData  *error;

		initStringInfo(&sql);
		appendStringInfo(&sql, "CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION) USING ledger",
						 partition, parent);
		if (OidIsValid(branch->tablespace))
			appendStringInfo(&sql, " TABLESPACE %s",
							 quote_identifier(get_tablespace_name(branch->tablespace)));
		error = ledger_try_work(run_work, sql.data);
		if (error == NULL)
			return partition;
		/* it may as well be an event trigger's, which another name does not help */
		if (attempt == NAME_ATTEMPTS ||
			(error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION &&
			 error->sqlerrcode != ERRCODE_DUPLICATE_TABLE &&
			 error->sqlerrcode != ERRCODE_DUPLICATE_OBJECT))
			ReThrowError(error);
		FreeErrorData(error);
	}
}

static void
make_partition(const Branch *branch, const LedgerPeriod *period, LedgerStretch stretch)
{
	char	   *parent = quote_qualified_identifier(get_namespace_name(branch->schema), branch->name);
	char	   *partition = create_table(branch, period, stretch.start);
	StringInfoData sql;
	int			bounds;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ATTACH PARTITION %s FOR VALUES ", parent, partition);
	bounds = sql.len;
	appendStringInfoString(&sql, "FROM (");
	append_bound(&sql, &branch->key, stretch.start);
	appendStringInfoString(&sql, ") TO (");
	append_bound(&sql, &branch->key, stretch.end);
	appendStringInfoChar(&sql, ')');
	run(sql.data);
	ledger_note_activity(branch->ledger, partition, branch->action, sql.data + bounds);
}

/*
 * What is not covered of a period: one partition for each gap, so that
 * partitions of any bounds are respected.
 */
static int
fill_period(const Branch *branch, const LedgerPeriod *period, LedgerStretch wanted)
{
	int			made = 0;
	ListCell   *cell;

	foreach(cell, branch->covered)
	{
		LedgerStretch *covered = lfirst(cell);
		LedgerStretch gap = {wanted.start, Min(wanted.end, covered->start)};

		if (covered->end <= wanted.start)
			continue;
		if (covered->start >= wanted.end)
			break;
		if (gap.start < gap.end)
		{
			make_partition(branch, period, gap);
			made++;
		}
		wanted.start = covered->end;
	}
	if (wanted.start < wanted.end)
	{
		make_partition(branch, period, wanted);
		made++;
	}
	return made;
}

static void
open_branch(Oid relid, const LedgerSettings *settings, Branch *branch)
{
	Relation	rel = table_open(relid, NoLock);

	branch->relid = relid;
	branch->ledger = settings->relid;
	branch->schema = RelationGetNamespace(rel);
	branch->owner = rel->rd_rel->relowner;
	branch->tablespace = rel->rd_rel->reltablespace;
	branch->name = pstrdup(RelationGetRelationName(rel));
	if (!ledger_branch_key(rel, &branch->key))
		elog(ERROR, "relation %u is not partitioned by time", relid);
	branch->covered = ledger_covered(rel);

	/* ATTACH PARTITION wants nobody to have it open, us included */
	table_close(rel, NoLock);
}

/*
 * Make what partitions are missing in the periods of "wanted"; returns how many
 * were made.  Waits for whoever is making some, and then needs to make fewer.
 */
int
ledger_make_partitions(Oid relid, const LedgerSettings *settings, LedgerStretch wanted,
					   const char *action)
{
	Branch		branch;
	LedgerPeriod period;
	LedgerStretch next;
	LedgerIdentity before;
	int			made = 0;

	LockRelationOid(relid, ShareUpdateExclusiveLock);

	/*
	 * ATTACH PARTITION would believe a list that has missed a partition
	 * (storage/partitions.c), and attach another one for the same time, whose
	 * rows nobody would see.  With this lock, none comes meanwhile.
	 */
	ledger_forget_relation(relid);
	open_branch(relid, settings, &branch);
	branch.action = action;
	period = ledger_period_of(&settings->partition_interval, branch.key.typid);

	ledger_become(branch.owner, &before);
	SPI_connect();
	for (next = ledger_period_at(&period, wanted.start); next.start < wanted.end;
		 next = ledger_period_at(&period, next.end))
		made += fill_period(&branch, &period, next);
	SPI_finish();
	ledger_become_again(&before);
	return made;
}

/* Make a branch's current partition, and the next ones. */
int
ledger_premake(Oid relid, const LedgerSettings *settings)
{
	Branch		branch;
	LedgerPeriod period;
	LedgerStretch wanted;

	open_branch(relid, settings, &branch);
	period = ledger_period_of(&settings->partition_interval, branch.key.typid);
	wanted = ledger_period_at(&period, ledger_branch_now(&branch.key));
	for (int i = 0; i < settings->premake; i++)
		wanted.end = ledger_period_at(&period, wanted.end).end;
	return ledger_make_partitions(relid, settings, wanted, "partition made ahead");
}

/* Whether a relation is a branch of a managed ledger. */
bool
ledger_is_managed(Oid relid, LedgerBranchKey *key)
{
	LedgerSettings settings;
	Relation	rel;
	bool		result;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return false;
	rel = table_open(relid, AccessShareLock);
	result = ledger_branch_key(rel, key);
	table_close(rel, NoLock);
	return result && ledger_settings_of(relid, &settings);
}

/*
 * Whether an append may make the partition of a managed branch that a time has
 * none for: an error if not.
 */
void
ledger_check_missing(Oid relid, Timestamp at)
{
	Branch		branch;
	LedgerSettings settings;
	LedgerTimes times;

	if (!ledger_settings_of(relid, &settings))
		elog(ERROR, "relation %u has no settings", relid);
	open_branch(relid, &settings, &branch);
	ledger_times_taken(&settings, &branch.key, &times);
	ledger_check_time(branch.name, &branch.key, &times, at);
	if (at == DT_NOBEGIN || at < times.past)
		ledger_refuse_time(branch.name, &branch.key, at,
						   _("It has no partition for that time, which is further in the past than max_past."));
	if (ledger_partitions_made(settings.relid) >= MADE_BY_APPENDS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("appends have made %d partitions of \"%s\" within an hour",
						MADE_BY_APPENDS_MAX, get_rel_name(settings.relid)),
				 errdetail("There is no partition of \"%s\" for %s.", branch.name,
						   ledger_time_text(&branch.key, at)),
				 errhint("Make partitions ahead by ledger.manage(), choose a longer partition interval, or see whether the entries' times are right.")));
}

/*
 * Make that partition, unless somebody else has; whether we have.  Nobody may
 * have the branch or its ancestors open.
 */
bool
ledger_make_missing(Oid relid, Timestamp at)
{
	LedgerSettings settings;
	LedgerStretch wanted = {at, at + 1};
	bool		made;

	if (!ledger_settings_of(relid, &settings))
		elog(ERROR, "relation %u has no settings", relid);
	made = ledger_make_partitions(relid, &settings, wanted, LEDGER_MADE_BY_APPEND) > 0;
	CommandCounterIncrement();
	return made;
}
