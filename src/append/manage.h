/*-------------------------------------------------------------------------
 *
 * manage.h
 *	  Managed ledgers: partitions that make themselves.
 *
 * A managed ledger is a table partitioned by range of a time column, or a tree
 * whose lowest levels are.  Such a lowest level is called a branch here: a
 * partitioned table whose partitions are leaves.  Its settings are those of
 * itself, or of its nearest ancestor that has some, in ledger.managed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_MANAGE_H
#define LEDGER_MANAGE_H

#include "postgres.h"

#include "compat.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/* How long a partition is: so many of one unit. */
typedef enum LedgerPeriodUnit
{
	LEDGER_PERIOD_USECS,		/* whole minutes */
	LEDGER_PERIOD_DAYS,
	LEDGER_PERIOD_MONTHS
} LedgerPeriodUnit;

typedef struct LedgerPeriod
{
	LedgerPeriodUnit unit;
	int64		count;
} LedgerPeriod;

/* A row of ledger.managed */
typedef struct LedgerSettings
{
	Oid			relid;			/* whose row it is */
	Oid			owner;			/* of the relation, when it was written */
	Interval	partition_interval;
	int32		premake;
	bool		has_retention;
	Interval	retention;
	Interval	seal_after;
	Interval	max_past;
	Interval	max_future;
} LedgerSettings;

/* A time column that a table is partitioned by */
typedef struct LedgerBranchKey
{
	AttrNumber	attnum;
	Oid			typid;			/* timestamptz, timestamp or date */
} LedgerBranchKey;

/*
 * A stretch of time, from "start" to before "end".  Times are microseconds as
 * in a timestamp: of a timestamptz in UTC, of the other types as they read.
 * DT_NOBEGIN and DT_NOEND stand for no bound.
 */
typedef struct LedgerStretch
{
	Timestamp	start;
	Timestamp	end;
	Oid			leaf;			/* the partition that covers it, if any */
} LedgerStretch;

/* The times that a branch takes entries of, and makes partitions for */
typedef struct LedgerTimes
{
	Timestamp	future;			/* none after that */
	Timestamp	past;			/* before that, partitions only by hand */
	Timestamp	expired;		/* none before that */
} LedgerTimes;

/* A leaf of a managed ledger */
typedef struct LedgerLeaf
{
	Oid			branch;
	LedgerBranchKey key;
	LedgerSettings settings;
	LedgerStretch stretch;
	bool		newest;			/* of its branch */
} LedgerLeaf;

/* A statement on the extension's own tables, planned once a session */
#define LEDGER_STATEMENT_ARGS 8

typedef struct LedgerStatement
{
	const char *sql;
	int			nargs;
	Oid			types[LEDGER_STATEMENT_ARGS];
	SPIPlanPtr	plan;
} LedgerStatement;

/* Who one was, before becoming somebody else for a while */
typedef struct LedgerIdentity
{
	Oid			user;
	int			context;
	int			nesting;
} LedgerIdentity;

/* What ledger.activity says of a partition that an append made */
#define LEDGER_MADE_BY_APPEND	"partition made by an append"

/* period.c */
extern LedgerPeriod ledger_period_of(const Interval *interval, Oid keytype);
extern LedgerStretch ledger_period_at(const LedgerPeriod *period, Timestamp at);
extern void ledger_period_label(const LedgerPeriod *period, Timestamp start,
								char *label, Size size);

/* branch.c */
extern bool ledger_branch_key(Relation rel, LedgerBranchKey *key);
extern List *ledger_find_branches(Oid relid);
extern Timestamp ledger_branch_now(const LedgerBranchKey *key);
extern Timestamp ledger_branch_time(const LedgerBranchKey *key, Datum value);
extern List *ledger_covered(Relation branch);
extern Oid	ledger_default_partition(Relation branch);

/* settings.c */
extern bool ledger_read_settings(Oid relid, LedgerSettings *settings);
extern bool ledger_settings_of(Oid branch, LedgerSettings *settings);
extern List *ledger_all_managed(void);
extern void ledger_write_settings(const LedgerSettings *settings);
extern bool ledger_delete_settings(Oid relid);

/* tables.c */
extern Oid	ledger_owner_of(Oid relid);
extern void ledger_check_owner(Oid relid);
extern char *ledger_qualified_name(Oid relid);
extern void ledger_become(Oid role, LedgerIdentity *before);
extern void ledger_become_rebuilder(Oid role, LedgerIdentity *before);
extern void ledger_become_again(const LedgerIdentity *before);
extern uint64 ledger_run_statement(LedgerStatement *statement, Datum *values,
								   const char *nulls);
extern void ledger_note_activity(Oid ledger, const char *partition,
								 const char *action, const char *detail);
extern void ledger_note_trouble(Oid ledger, const char *partition,
								const char *action, const char *detail);
extern void ledger_note_maintenance(void);
extern bool ledger_maintenance_is_overdue(int seconds);
extern int64 ledger_partitions_made(Oid ledger);
extern void ledger_reject(Oid ledger, const char *reason, text *entry);
extern bool ledger_claim_batch(Oid ledger, const char *source, int64 batch);
extern void ledger_forget_dropped(void);

/* limits.c */
extern char *ledger_time_text(const LedgerBranchKey *key, Timestamp at);
extern void ledger_times_taken(const LedgerSettings *settings,
							   const LedgerBranchKey *key, LedgerTimes *times);
extern void ledger_check_time(const char *branch, const LedgerBranchKey *key,
							  const LedgerTimes *times, Timestamp at);
extern void ledger_refuse_time(const char *branch, const LedgerBranchKey *key,
							   Timestamp at, const char *detail) pg_attribute_noreturn();
extern Timestamp ledger_shift_back(Timestamp from, const Interval *by);
extern bool ledger_find_leaf(Oid relid, bool wait, LedgerLeaf *leaf);

/* partition.c */
extern int	ledger_make_partitions(Oid branch, const LedgerSettings *settings,
								   LedgerStretch wanted, const char *action);
extern int	ledger_premake(Oid branch, const LedgerSettings *settings);
extern bool ledger_is_managed(Oid relid, LedgerBranchKey *key);
extern void ledger_check_missing(Oid branch, Timestamp at);
extern bool ledger_make_missing(Oid branch, Timestamp at);

/* exchange.c */
extern void ledger_check_indexes(Relation rel);
extern List *ledger_make_twins(Relation from, Relation to);
extern Oid	ledger_index_of_twin(List *twins, Oid twin);
extern void ledger_exchange_indexes(Oid relid, List *twins);
extern void ledger_revive_indexes(Oid relid, List *twins);

/* maintain.c */
extern void ledger_maintain_all(Oid only, bool in_call);

/* launcher.c */
extern bool ledger_maintenance_on;
extern void ledger_want_maintenance(void);
extern void ledger_append_init(void);

#endif							/* LEDGER_MANAGE_H */
