/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  ledger.seal(), and what ledger.stats(), segments() and chunks() show.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "am/am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "codec/codec.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* How long ledger.seal() waits for a lock before it looks for a deadlock. */
#define LOCK_WAIT_MS	200

LEDGER_FUNCTION(ledger_seal);
LEDGER_FUNCTION(ledger_stats);
LEDGER_FUNCTION(ledger_segments);
LEDGER_FUNCTION(ledger_chunks);

/* ---- which relations ---- */

static Oid
relation_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("ledger must not be null")));
	return PG_GETARG_OID(0);
}

static void
refuse_kind(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a ledger", get_rel_name(relid)),
			 errhint("Create the table, or its partitions, USING ledger.")));
}

static bool
has_ledger_am(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		result = (form->relkind == RELKIND_RELATION || form->relkind == RELKIND_MATVIEW) &&
			form->relam == get_table_am_oid("ledger", true);
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * The ledgers that a relation stands for: itself, or, of a partitioned table,
 * its leaves that are ledgers.
 */
static List *
find_ledgers(Oid relid)
{
	char		relkind = get_rel_relkind(relid);
	List	   *all,
			   *result = NIL;
	ListCell   *cell;

	if (relkind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (relkind != RELKIND_PARTITIONED_TABLE)
	{
		if (!has_ledger_am(relid))
			refuse_kind(relid);
		return list_make1_oid(relid);
	}
	all = find_all_inheritors(relid, NoLock, NULL);
	foreach(cell, all)
		if (has_ledger_am(lfirst_oid(cell)))
			result = lappend_oid(result, lfirst_oid(cell));
	return result;
}

/* ---- sealing ---- */

static void
check_may_seal(Oid relid)
{
	if (!ledger_may_maintain(relid, GetUserId()))
		aclcheck_error(LEDGER_MAINTAIN_DENIED, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

/* Wait for so long for the lock that sealing takes; returns whether we have it. */
static bool
wait_for_lock(Oid relid, int timeout)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			saved_timeout = LockTimeout;
	volatile bool result = true;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		LockTimeout = timeout;
		LockRelationOid(relid, ShareUpdateExclusiveLock);
		/* the timeout may have come just as the lock did */
		CHECK_FOR_INTERRUPTS();
		LockTimeout = saved_timeout;

		/* it is to be held, and given back, outside of the subtransaction */
		CurrentResourceOwner = owner;
		LockRelationOid(relid, ShareUpdateExclusiveLock);
		CurrentResourceOwner = CurTransactionResourceOwner;
		UnlockRelationOid(relid, ShareUpdateExclusiveLock);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		LockTimeout = saved_timeout;
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		FreeErrorData(error);
		result = false;
	}
	PG_END_TRY();
	return result;
}

/*
 * Whether somebody who has a lock on the relation that conflicts with ours
 * waits for our transaction to end.
 */
static bool
holder_waits_for_us(Oid relid)
{
	LockData   *locks = GetLockStatusData();
	VirtualTransactionId vxid;
	LOCKTAG		ours,
				relation;
	LOCKMASK	conflicts = 0;

	GET_VXID_FROM_PGPROC(vxid, *MyProc);
	SET_LOCKTAG_VIRTUALTRANSACTION(ours, vxid);
	SET_LOCKTAG_RELATION(relation, MyDatabaseId, relid);
	for (LOCKMODE mode = ShareUpdateExclusiveLock; mode <= AccessExclusiveLock; mode++)
		conflicts |= LOCKBIT_ON(mode);

	for (int i = 0; i < locks->nelements; i++)
	{
		const LockInstanceData *waiter = &locks->locks[i];

		if (waiter->waitLockMode == NoLock ||
			memcmp(&waiter->locktag, &ours, sizeof(LOCKTAG)) != 0)
			continue;
		for (int j = 0; j < locks->nelements; j++)
		{
			const LockInstanceData *holder = &locks->locks[j];

			if (holder->pid == waiter->pid && (holder->holdMask & conflicts) != 0 &&
				memcmp(&holder->locktag, &relation, sizeof(LOCKTAG)) == 0)
				return true;
		}
	}
	return false;
}

/*
 * Take the lock that sealing takes.
 *
 * CREATE INDEX CONCURRENTLY holds one that conflicts while it waits for all who
 * have a snapshot as old as ours.  The deadlock would be found after a while,
 * but it is the index build that would fail.  So we wait a little at a time,
 * and fail ourselves if who has the lock has come to wait for us.
 */
static void
lock_to_seal(Oid relid)
{
	int			timeout = Min(LOCK_WAIT_MS, Max(DeadlockTimeout / 2, 1));
	TimestampTz start;

	if (ConditionalLockRelationOid(relid, ShareUpdateExclusiveLock))
		return;
	if (LockTimeout > 0)
		timeout = Min(timeout, LockTimeout);
	start = GetCurrentTimestamp();
	while (!wait_for_lock(relid, timeout))
	{
		if (holder_waits_for_us(relid))
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("could not obtain lock on ledger \"%s\"", get_rel_name(relid)),
					 errdetail("Whoever has it waits for this transaction to end, as CREATE INDEX CONCURRENTLY does."),
					 errhint("Call ledger.seal() again later.")));
		if (LockTimeout > 0 &&
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(), LockTimeout))
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("canceling statement due to lock timeout")));
	}
}

/*
 * One segment's worth, under a lock that is given back at once.  Returns false
 * when nothing is left to seal.
 */
static bool
seal_step(Oid relid, bool first, int64 *sealed)
{
	Relation	rel;
	Oid			user;
	int			context;
	int64		rows;

	lock_to_seal(relid);
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
	{
		UnlockRelationOid(relid, ShareUpdateExclusiveLock);
		return false;
	}
	if (!ledger_is_ledger(rel))
		refuse_kind(relid);
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot seal temporary ledgers of other sessions")));

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(rel->rd_rel->relowner, context | SECURITY_RESTRICTED_OPERATION);
	rows = ledger_seal_part(rel, first, LEDGER_SEAL_ALL);
	SetUserIdAndSecContext(user, context);

	relation_close(rel, ShareUpdateExclusiveLock);
	if (rows > 0)
		*sealed += rows;
	return rows >= 0;
}

Datum
ledger_seal(PG_FUNCTION_ARGS)
{
	Oid			relid = relation_argument(fcinfo);
	List	   *ledgers;
	ListCell   *cell;
	int64		sealed = 0;

	PreventCommandDuringRecovery("ledger.seal()");
	ledgers = find_ledgers(relid);
	check_may_seal(relid);
	foreach(cell, ledgers)
	{
		Oid			leaf = lfirst_oid(cell);
		bool		first = true;

		/* as VACUUM does with partitions */
		if (leaf != relid && !ledger_may_maintain(leaf, GetUserId()))
		{
			ereport(WARNING,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to seal \"%s\", skipping it",
							get_rel_name(leaf))));
			continue;
		}
		while (seal_step(leaf, first, &sealed))
		{
			first = false;
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_RETURN_INT64(sealed);
}

/* ---- looking ---- */

typedef void (*LedgerShower) (Relation rel, ReturnSetInfo *result);

/* Call "show" for each ledger, with rights checked on the relation named. */
static void
show_ledgers(FunctionCallInfo fcinfo, LedgerShower show)
{
	Oid			relid = relation_argument(fcinfo);
	List	   *ledgers;
	ListCell   *cell;
	AclResult	acl;

	InitMaterializedSRF(fcinfo, 0);
	ledgers = find_ledgers(relid);
	acl = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, get_relkind_objtype(get_rel_relkind(relid)), get_rel_name(relid));

	foreach(cell, ledgers)
	{
		Relation	rel = try_relation_open(lfirst_oid(cell), AccessShareLock);

		CHECK_FOR_INTERRUPTS();
		if (rel == NULL)
			continue;
		if (RELATION_IS_OTHER_TEMP(rel))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot access temporary tables of other sessions")));
		if (ledger_is_ledger(rel))
		{
			ledger_bulk_flush(rel);
			show(rel, (ReturnSetInfo *) fcinfo->resultinfo);
		}
		relation_close(rel, AccessShareLock);
	}
}

static void
put_row(ReturnSetInfo *result, Datum *values, bool *nulls)
{
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* What is in a tail run. */
typedef struct TailSize
{
	int64		rows;
	int64		bytes;
	int64		blocks;
} TailSize;

/* Add a run's rows, of whatever transactions, their bytes and its blocks. */
static void
measure_run(Relation rel, LedgerSlotNumber slot, const LedgerSlotEntry *entry, TailSize *size)
{
	LedgerRunMap *map = palloc(sizeof(LedgerRunMap));

	if (ledger_read_runmap(rel, slot, entry->home, map))
	{
		size->blocks += map->nitems + 1 +
			(map->overflow_bytes + LEDGER_PAGE_PAYLOAD - 1) / LEDGER_PAGE_PAYLOAD;
		size->bytes += map->overflow_bytes;
		for (uint32 i = 0; i < map->nitems; i++)
		{
			Buffer		buffer = ledger_read_block(rel, map->items[i].block);
			Page		page = BufferGetPage(buffer);

			CHECK_FOR_INTERRUPTS();
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			if (ledger_tag_is(page, LEDGER_BLOCK_TAIL, slot, map->items[i].first, 0))
			{
				size->rows += PageGetMaxOffsetNumber(page);
				size->bytes += ((PageHeader) page)->pd_special - ((PageHeader) page)->pd_upper -
					PageGetMaxOffsetNumber(page) * MAXALIGN(SizeofHeapTupleHeader);
			}
			UnlockReleaseBuffer(buffer);
		}
	}
	pfree(map);
}

static void
show_stats(Relation rel, ReturnSetInfo *result)
{
	LedgerMetaData meta = {0};
	TailSize	tail = {0};
	int64		stored = (int64) RelationGetNumberOfBlocks(rel) * BLCKSZ;
	int64		used;
	int64		raw;
	Datum		values[10];
	bool		nulls[10] = {0};

	if (ledger_read_meta(rel, &meta))
	{
		for (LedgerSlotNumber slot = meta.seal_from; slot < meta.next_slot; slot++)
		{
			LedgerSlotEntry entry;

			CHECK_FOR_INTERRUPTS();
			if (ledger_read_entry(rel, slot, &entry) &&
				(entry.state == LEDGER_SLOT_TAIL || entry.state == LEDGER_SLOT_CLOSED))
				measure_run(rel, slot, &entry, &tail);
		}
		used = BLCKSZ * (int64) (1 + ledger_directory_blocks(&meta) +
								 ledger_dictionary_blocks(&meta) + meta.totals.blocks + tail.blocks);
	}
	else
		used = 0;

	raw = (int64) meta.totals.raw_bytes + tail.bytes;
	values[0] = ObjectIdGetDatum(RelationGetRelid(rel));
	values[1] = Int64GetDatum((int64) meta.totals.entries + tail.rows);
	values[2] = Int64GetDatum(tail.rows);
	values[3] = Int64GetDatum((int64) meta.totals.segments);
	values[4] = Int64GetDatum(raw);
	values[5] = Int64GetDatum(Min(stored, used));
	values[6] = Int64GetDatum(Max(stored - used, 0));
	values[7] = Float8GetDatum(used > 0 ? (double) raw / used : 0);
	nulls[7] = used <= 0;
	values[8] = Int64GetDatum(meta.next_slot);
	values[9] = CStringGetTextDatum(ledger_compression_name(ledger_compression(rel)));
	put_row(result, values, nulls);
}

typedef void (*SegmentShower) (Relation rel, LedgerSlotNumber slot,
							   const LedgerSlotEntry *entry, LedgerSegment *segment,
							   ReturnSetInfo *result);

/* Call "show" for each segment of a ledger. */
static void
for_each_segment(Relation rel, SegmentShower show, ReturnSetInfo *result)
{
	LedgerSlotNumber count = ledger_slot_count(rel);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger segment",
												  ALLOCSET_DEFAULT_SIZES);

	for (LedgerSlotNumber slot = 0; slot < count; slot++)
	{
		LedgerSlotEntry entry;
		LedgerSegment *segment;
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		if (!ledger_read_entry(rel, slot, &entry) || entry.primary != slot ||
			(entry.state != LEDGER_SLOT_SEALED && entry.state != LEDGER_SLOT_BULK_WRITTEN))
			continue;
		old = MemoryContextSwitchTo(context);
		segment = ledger_segment_open(rel, entry.home, slot, entry.segment);
		if (segment != NULL)
			show(rel, slot, &entry, segment, result);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

static void
show_segment(Relation rel, LedgerSlotNumber slot, const LedgerSlotEntry *entry,
			 LedgerSegment *segment, ReturnSetInfo *result)
{
	uint32		blocks = ledger_blocks_in_use(entry, segment);
	Datum		values[7];
	bool		nulls[7] = {0};

	values[0] = ObjectIdGetDatum(RelationGetRelid(rel));
	values[1] = Int64GetDatum((int64) LedgerMakeRow(slot, 0));
	values[2] = Int64GetDatum((int64) segment->root.nrows - segment->root.gaps);
	values[3] = Int32GetDatum((int32) blocks);
	values[4] = Int64GetDatum((int64) segment->root.raw_bytes);
	values[5] = Int64GetDatum((int64) blocks * BLCKSZ);
	values[6] = BoolGetDatum((entry->flags & LEDGER_ENTRY_FROZEN) != 0);
	put_row(result, values, nulls);
}

/* For the codec: the bytes of one chunk of a segment. */
typedef struct ChunkReader
{
	Relation	rel;
	LedgerSegment *segment;
	const LedgerColumnEntry *column;
	int			attribute;
	uint64		last_offset;	/* what was read last */
	size_t		last_len;
} ChunkReader;

static void chunk_corrupt(void *arg, const char *detail) pg_attribute_noreturn();

static void
chunk_corrupt(void *arg, const char *detail)
{
	ChunkReader *reader = arg;
	char		text[256];

	snprintf(text, sizeof(text), "column %d: %s", reader->attribute, detail);
	ledger_segment_corrupt(reader->rel, reader->segment, false, reader->last_offset,
						   reader->last_len, text);
}

static void
chunk_read(void *arg, uint64 offset, size_t len, void *dst)
{
	ChunkReader *reader = arg;

	reader->last_len = len;
	if (!ledger_column_place(reader->column, offset, len, &reader->last_offset))
		ledger_corrupt(reader->rel, reader->segment->block,
					   "column %d of segment " UINT64_FORMAT " is read past its end",
					   reader->attribute, reader->segment->root.segment);
	if (!ledger_segment_read(reader->rel, reader->segment, false, reader->last_offset, len, dst))
		chunk_corrupt(arg, "it was overwritten");
}

static void chunk_unsupported(void *arg, const char *detail) pg_attribute_noreturn();

static void
chunk_unsupported(void *arg, const char *detail)
{
	ChunkReader *reader = arg;

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot read column %d of ledger \"%s\"", reader->attribute,
					RelationGetRelationName(reader->rel)),
			 errdetail_internal("%s", detail)));
}

/* One row of ledger.chunks(), but for the relation and the segment. */
static void
put_chunk(ReturnSetInfo *result, Datum *values, Name column, const char *path, Size path_len,
		  const char *encoding, uint64 bytes)
{
	bool		nulls[6] = {0};

	values[2] = NameGetDatum(column);
	values[3] = CStringGetTextDatum(encoding);
	values[4] = Int64GetDatum((int64) bytes);
	nulls[5] = path == NULL;
	if (path)
		values[5] = PointerGetDatum(cstring_to_text_with_len(path, (int) path_len));
	put_row(result, values, nulls);
}

/* A column's chunk, and what it is made of. */
static void
show_column(Relation rel, LedgerSegment *segment, const LedgerColumnEntry *column,
			int attribute, Datum *values, ReturnSetInfo *result)
{
	ChunkReader reader = {rel, segment, column, attribute};
	LedgerSource source = {chunk_read, chunk_corrupt, &reader, chunk_unsupported,
	column->header_length};
	LedgerColumnType type = {column->typid, column->collation, column->attlen,
	column->attbyval, column->attalign};
	Name		name = &TupleDescAttr(RelationGetDescr(rel), attribute - 1)->attname;
	LedgerChunk *chunk;

	if (column->length == 0)
	{
		put_chunk(result, values, name, NULL, 0, "null", 0);
		return;
	}
	chunk = ledger_chunk_open(&source, column->length, &type, segment->root.nrows,
							  CurrentMemoryContext);
	put_chunk(result, values, name, NULL, 0, ledger_chunk_encoding(chunk), column->length);
	for (int i = 0; i < ledger_chunk_subcolumns(chunk); i++)
	{
		LedgerSubcolumn sub;

		CHECK_FOR_INTERRUPTS();
		ledger_chunk_subcolumn(chunk, i, &sub);
		put_chunk(result, values, name, sub.path, sub.path_len,
				  ledger_chunk_encoding(sub.chunk), sub.length);
	}
}

static void
show_chunks(Relation rel, LedgerSlotNumber slot, const LedgerSlotEntry *entry,
			LedgerSegment *segment, ReturnSetInfo *result)
{
	TupleDesc	desc = RelationGetDescr(rel);
	LedgerColumnEntry *columns = ledger_segment_directory(rel, segment);

	if (columns == NULL)
		return;
	for (int i = 0; i < segment->root.ncolumns && i < desc->natts; i++)
	{
		Datum		values[6];

		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		values[0] = ObjectIdGetDatum(RelationGetRelid(rel));
		values[1] = Int64GetDatum((int64) LedgerMakeRow(slot, 0));
		show_column(rel, segment, &columns[i], i + 1, values, result);
	}
}

static void
show_segments(Relation rel, ReturnSetInfo *result)
{
	for_each_segment(rel, show_segment, result);
}

static void
show_all_chunks(Relation rel, ReturnSetInfo *result)
{
	for_each_segment(rel, show_chunks, result);
}

Datum
ledger_stats(PG_FUNCTION_ARGS)
{
	show_ledgers(fcinfo, show_stats);
	return (Datum) 0;
}

Datum
ledger_segments(PG_FUNCTION_ARGS)
{
	show_ledgers(fcinfo, show_segments);
	return (Datum) 0;
}

Datum
ledger_chunks(PG_FUNCTION_ARGS)
{
	show_ledgers(fcinfo, show_all_chunks);
	return (Datum) 0;
}
