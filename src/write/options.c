/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Per-ledger options: rows of ledger.options, looked up when something is
 *	  written.
 *
 * A row holds for its relation, and for the partitions below that have none
 * nearer.  So the settings of partitions made later, by whomever, are right
 * without being copied; and an option that is set for a parent is set for all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "compat.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "write/write.h"

/* Columns of ledger.options */
enum
{
	Anum_relation = 1,
	Anum_option,
	Anum_value,
	Natts_options = Anum_value
};

/* GUC: what holds where no option says anything */
static int	default_compression = LEDGER_COMPRESSION_LZ4;

static const struct config_enum_entry compressions[] = {
	{"lz4", LEDGER_COMPRESSION_LZ4, false},
	{"zstd", LEDGER_COMPRESSION_ZSTD, false},
	{"none", LEDGER_COMPRESSION_NONE, false},
	{NULL, 0, false}
};

const char *
ledger_compression_name(LedgerCompression compression)
{
	for (int i = 0; compressions[i].name != NULL; i++)
		if (compressions[i].val == (int) compression)
			return compressions[i].name;
	return NULL;
}

/* Which compression a name stands for; false if none. */
bool
ledger_compression_named(const char *name, LedgerCompression *compression)
{
	for (int i = 0; compressions[i].name != NULL; i++)
	{
		if (pg_strcasecmp(compressions[i].name, name) == 0)
		{
			*compression = (LedgerCompression) compressions[i].val;
			return true;
		}
	}
	return false;
}

/* ---- What the catalogs say ---- */

/*
 * The table that a partition is of, InvalidOid if it is none, or is being
 * detached.  For callers that have no lock on it: between two looks at the
 * catalogs it may be detached, or dropped, which is an error to core's
 * get_partition_parent(), but not to this function of its.
 */
Oid
ledger_partition_parent(Oid relid)
{
	List	   *ancestors = get_rel_relispartition(relid) ? get_partition_ancestors(relid) : NIL;
	Oid			parent = ancestors != NIL ? linitial_oid(ancestors) : InvalidOid;

	list_free(ancestors);
	return parent;
}

/* ---- What the table says ---- */

/* The table's OID; InvalidOid where the extension's objects lack it. */
Oid
ledger_options_table(void)
{
	Oid			schema = get_namespace_oid("ledger", true);

	return OidIsValid(schema) ? get_relname_relid("options", schema) : InvalidOid;
}

/*
 * The value that a relation's own row has, in CurrentMemoryContext, or NULL.
 * With the catalog snapshot, as that is to be had everywhere: in parallel
 * mode, and while a transaction commits.
 */
static char *
own_value(Relation table, Oid relid, const char *option)
{
	Oid			index = LedgerPrimaryKeyIndex(table);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *result = NULL;

	ScanKeyInit(&keys[0], Anum_relation, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_option, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(option));
	scan = systable_beginscan(table, index, OidIsValid(index), NULL, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_value, RelationGetDescr(table), &isnull);

		if (!isnull)
			result = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	return result;
}

/*
 * The value that holds for a relation: its own, or that of the nearest table
 * above it; NULL where there is none.
 */
static char *
find_option(Oid relid, const char *option)
{
	Oid			table_oid = ledger_options_table();
	Relation	table;
	char	   *result = NULL;

	if (!OidIsValid(table_oid))
		return NULL;
	table = table_open(table_oid, AccessShareLock);
	if (RelationGetDescr(table)->natts != Natts_options)
		elog(ERROR, "ledger.options has %d columns", RelationGetDescr(table)->natts);
	while (OidIsValid(relid) && result == NULL)
	{
		result = own_value(table, relid, option);
		relid = ledger_partition_parent(relid);
	}
	table_close(table, AccessShareLock);
	return result;
}

/* The compression that holds for a relation, without a look at the cache. */
LedgerCompression
ledger_compression_of(Oid relid)
{
	char	   *value = find_option(relid, LEDGER_OPTION_COMPRESSION);
	LedgerCompression result;

	/* what a later release may have put there is as good as nothing */
	if (value != NULL && ledger_compression_named(value, &result))
		return result;
	return (LedgerCompression) default_compression;
}

/* ---- What this backend remembers ---- */

/*
 * Every insertion asks, so answers are kept: that of a relation in the place
 * that its OID gives it.
 */
#define REMEMBERED		256

typedef struct RememberedOption
{
	Oid			relid;			/* InvalidOid: nothing here */
	bool		is_set;			/* else the GUC decides */
	LedgerCompression compression;
} RememberedOption;

static RememberedOption remembered[REMEMBERED];
static Oid	remembered_table = InvalidOid;
static uint64 invalidations = 0;

/*
 * The relation itself has changed, which it also has for us if a table above
 * it has got another parent (ATTACH and DETACH PARTITION see to that for every
 * table below); or ledger.options, so anybody's option may have.
 */
static void
forget(Datum arg, Oid relid)
{
	invalidations++;
	if (!OidIsValid(relid) || relid == remembered_table)
		memset(remembered, 0, sizeof(remembered));
	else if (remembered[relid % REMEMBERED].relid == relid)
		remembered[relid % REMEMBERED].relid = InvalidOid;
}

/*
 * Look a relation up.  A table that is made to become another's file is
 * written as that one.  An answer that may be outdated as soon as we have it
 * is good for this time only.
 */
static RememberedOption
look_up(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	Oid			wanted = OidIsValid(rel->rd_rel->relrewrite) ? rel->rd_rel->relrewrite : relid;
	uint64		before;
	RememberedOption result = {relid};
	char	   *value;

	remembered_table = ledger_options_table();
	before = invalidations;
	value = find_option(wanted, LEDGER_OPTION_COMPRESSION);
	if (value != NULL)
	{
		result.is_set = ledger_compression_named(value, &result.compression);
		pfree(value);
	}
	if (before == invalidations && OidIsValid(remembered_table))
		remembered[relid % REMEMBERED] = result;
	return result;
}

/*
 * The compression that holds for a relation's rows.  May read catalogs, so no
 * buffer may be locked, nor may this be in a critical section.
 */
pg_attribute_hot LedgerCompression
ledger_compression(Relation rel)
{
	RememberedOption found = remembered[RelationGetRelid(rel) % REMEMBERED];

	if (unlikely(found.relid != RelationGetRelid(rel)))
		found = look_up(rel);
	return found.is_set ? found.compression : (LedgerCompression) default_compression;
}

/* ---- The default ---- */

static bool
check_compression(int *value, void **extra, GucSource source)
{
	if (*value != LEDGER_COMPRESSION_ZSTD || ledger_has_zstd())
		return true;
	GUC_check_errcode(ERRCODE_FEATURE_NOT_SUPPORTED);
	GUC_check_errmsg("this build of ledger lacks zstd");
	GUC_check_errhint("Choose lz4 or none, or build ledger with libzstd.");
	return false;
}

/* Called by _PG_init. */
void
ledger_options_init(void)
{
	DefineCustomEnumVariable("ledger.compression",
							 "Compression of ledgers for which ledger.set_option() has set none.",
							 NULL,
							 &default_compression, LEDGER_COMPRESSION_LZ4, compressions,
							 PGC_USERSET, 0, check_compression, NULL, NULL);
	ledger_watch_relations(forget);
}
