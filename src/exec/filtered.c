/*-------------------------------------------------------------------------
 *
 * filtered.c
 *	  The rows of a ledger that filters let through, batch by batch.
 *
 * What is visible is decided by the scan of src/read below.  Of a segment's
 * rows, those in vectors that cannot have any that passes are stepped over;
 * the filters then shorten the list of visible rows of a batch, decoding their
 * columns only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "exec/exec_internal.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* In a parallel scan, what EXPLAIN tells is counted by process. */
typedef struct LedgerScanShared
{
	int			nprocesses;		/* the leader's counts are the first */
	LedgerScanCounts counts[FLEXIBLE_ARRAY_MEMBER];
} LedgerScanShared;

/*
 * Get ready to scan "rel", relation "relid" of the clauses that were pushed,
 * for a node.  "slot" is one of ledgers, to show rows of tail pages.
 */
void
ledger_filtered_begin(LedgerFilteredScan *fs, Relation rel, Index relid, List *clauses,
					  PlanState *node, TupleTableSlot *slot)
{
	List	   *doubted = NIL;
	ListCell   *lc;

	fs->rel = rel;
	fs->slot = slot;
	fs->econtext = node->ps_ExprContext;
	fs->snapshot = node->state->es_snapshot;
	fs->filters = palloc(list_length(clauses) * sizeof(LedgerFilter *));
	foreach(lc, clauses)
	{
		LedgerFilter *filter = ledger_filter_of_clause(lfirst(lc), relid);

		if (filter == NULL)
			elog(ERROR, "a clause that was pushed into a ledger's scan is no filter");
		ledger_filter_begin(filter, node);
		fs->filters[fs->nfilters++] = filter;
		if (filter->doubts)
			doubted = lappend(doubted, lfirst(lc));
	}
	/* without a parent, whose scan slot may be of another kind */
	fs->doubted = ExecInitQual(doubted, NULL);
	fs->constants_context = AllocSetContextCreate(CurrentMemoryContext, "ledger constants",
												  ALLOCSET_SMALL_SIZES);
	fs->judged_context = AllocSetContextCreate(CurrentMemoryContext, "ledger codes",
											   ALLOCSET_DEFAULT_SIZES);
}

/* ---- What need not be looked at ---- */

LedgerScanCounts *
ledger_filtered_counts(LedgerFilteredScan *fs)
{
	if (fs->shared == NULL)
		return &fs->counts;
	return &fs->shared->counts[IsParallelWorker() ? ParallelWorkerNumber + 1 : 0];
}

/* Bytes decompressed of which a node has been told. */
static uint64 metered = 0;

/*
 * Have a node's "next" run, and count what it decompresses, if that is to be told;
 * without what other nodes do that run within it.
 */
TupleTableSlot *
ledger_filtered_exec(LedgerFilteredScan *fs, CustomScanState *css,
					 TupleTableSlot *(*next) (CustomScanState *css))
{
	uint64		before = ledger_bytes_decompressed;
	uint64		told = metered;
	uint64		all;
	TupleTableSlot *slot;

	fs->instrumented = css->ss.ps.instrument != NULL;
	slot = next(css);
	if (!fs->instrumented)
		return slot;
	all = ledger_bytes_decompressed - before;
	ledger_filtered_counts(fs)->decompressed += all - (metered - told);
	metered = told + all;
	return slot;
}

static void
set_constants(LedgerFilteredScan *fs)
{
	MemoryContextReset(fs->constants_context);
	fs->never = false;
	for (int i = 0; i < fs->nfilters; i++)
	{
		LedgerFilter *filter = fs->filters[i];

		ledger_filter_set_constants(filter, fs->econtext, fs->constants_context);
		fs->never |= filter->constants.never;
	}
	fs->constants_set = true;
}

static void
forget_segment(LedgerFilteredScan *fs)
{
	if (fs->judged != NULL)
		ledger_reader_release(fs->judged);
	fs->judged = NULL;
	for (int i = 0; i < fs->nfilters; i++)
		ledger_filter_forget_codes(fs->filters[i]);
	MemoryContextReset(fs->judged_context);
}

/* Does a filter say that no row of a vector passes? */
static LedgerFilter *
who_excludes(LedgerFilteredScan *fs, int vector)
{
	for (int i = 0; i < fs->nfilters; i++)
		if (fs->filters[i]->truth[vector] == LEDGER_TRUTH_NONE)
			return fs->filters[i];
	return NULL;
}

static bool
excludes_all(LedgerFilteredScan *fs, int nvectors)
{
	for (int v = 0; v < nvectors; v++)
		if (who_excludes(fs, v) == NULL)
			return false;
	return true;
}

/* Look at what is in dictionaries; true if no row of the segment passes. */
static bool
prepare_codes(LedgerFilteredScan *fs, LedgerSegmentReader *reader, int nvectors)
{
	bool		wanted[LEDGER_VECTORS_MAX];

	for (int i = 0; i < fs->nfilters; i++)
	{
		LedgerFilter *filter = fs->filters[i];

		for (int v = 0; v < nvectors; v++)
			wanted[v] = who_excludes(fs, v) == NULL;
		ledger_filter_prepare_codes(filter, reader, fs->rel, wanted, fs->judged_context);
		if (filter->by_codes && excludes_all(fs, nvectors))
			return true;
	}
	return false;
}

/* Come to a segment. */
static void
judge_segment(LedgerFilteredScan *fs, LedgerSegmentReader *reader)
{
	const LedgerSegmentRoot *root = ledger_reader_root(reader);
	int			nvectors = LEDGER_VECTORS_OF(root->nrows);
	LedgerScanCounts *counts = ledger_filtered_counts(fs);
	bool		excluded = false;
	bool		by_bloom = false;
	bool		by_codes = false;
	MemoryContext oldcontext;

	forget_segment(fs);
	oldcontext = MemoryContextSwitchTo(fs->econtext->ecxt_per_tuple_memory);
	for (int i = 0; i < fs->nfilters; i++)
		memset(fs->filters[i]->truth, LEDGER_TRUTH_SOME, sizeof(fs->filters[i]->truth));
	for (int i = 0; i < fs->nfilters && !excluded; i++)
	{
		ledger_filter_judge(fs->filters[i], reader, fs->rel);
		by_bloom |= fs->filters[i]->by_bloom;
		excluded = excludes_all(fs, nvectors);
	}
	if (!excluded)
		excluded = by_codes = prepare_codes(fs, reader, nvectors);
	MemoryContextSwitchTo(oldcontext);
	fs->judged = ledger_reader_share(reader);
	if (fs->again)
		return;
	if (!excluded)
		counts->segments++;
	else if (by_codes)
		counts->segments_by_codes++;
	else if (by_bloom)
		counts->segments_by_bloom++;
	else
		counts->segments_by_zone++;
}

/* A LedgerSkip */
static int
skip_rows(void *arg, LedgerSegmentReader *reader, int position, int count)
{
	LedgerFilteredScan *fs = arg;
	LedgerScanCounts *counts = ledger_filtered_counts(fs);
	int			next = position;

	if (fs->judged != reader)
		judge_segment(fs, reader);
	while (next < position + count)
	{
		int			vector = next / LEDGER_VECTOR_ROWS;
		int			end = Min((vector + 1) * LEDGER_VECTOR_ROWS, position + count);
		LedgerFilter *filter = who_excludes(fs, vector);

		if (filter == NULL)
		{
			if (fs->answer == NULL || !fs->answer(fs->answer_arg, reader, next, end - next))
				break;
		}
		else if (filter->by_codes)
			counts->vectors_by_codes++;
		else if (filter->by_bloom)
			counts->vectors_by_bloom++;
		else
			counts->vectors_by_zone++;
		next = end;
	}
	return next - position;
}

/*
 * Of the "count" rows of the segment from "position" on, how many, the first
 * ones, need not be looked at?
 */
int
ledger_filtered_skip(LedgerFilteredScan *fs, LedgerSegmentReader *reader, int position, int count)
{
	return fs->nfilters > 0 ? skip_rows(fs, reader, position, count) : 0;
}

/* Do the filters let all rows of a vector of the segment at hand through? */
bool
ledger_filtered_passes_all(const LedgerFilteredScan *fs, int vector)
{
	for (int i = 0; i < fs->nfilters; i++)
		if (fs->filters[i]->truth[vector] != LEDGER_TRUTH_ALL)
			return false;
	return true;
}

/* ---- Batches ---- */

/* Begin, if this is the first row; false if no row can pass. */
bool
ledger_filtered_is_ready(LedgerFilteredScan *fs)
{
	if (fs->scan == NULL)
		fs->scan = (LedgerScan *) table_beginscan(fs->rel, fs->snapshot, 0, NULL);
	if (!fs->constants_set)
	{
		set_constants(fs);
		forget_segment(fs);
		if (fs->nfilters > 0 || fs->answer != NULL)
		{
			fs->scan->skip = skip_rows;
			fs->scan->skip_arg = fs;
			ledger_filtered_use_notes(fs);
		}
	}
	return !fs->never;
}

/* Rows of a tail page, one by one */
static int
filter_page(LedgerFilteredScan *fs)
{
	LedgerScan *scan = fs->scan;
	LedgerFilterRows source = {RelationGetDescr(fs->rel), NULL, fs->slot, &fs->doubt};
	int			kept = 0;

	if (!fs->again)
		ledger_filtered_counts(fs)->pages++;
	if (fs->nfilters == 0)
		return scan->nvisible;
	if (scan->skip_page != NULL)
		ledger_filtered_note_page(fs);
	for (int k = 0; k < scan->nvisible; k++)
	{
		uint16		row = scan->visible[k];
		int			n = 1;

		CHECK_FOR_INTERRUPTS();
		ledger_slot_show_row(fs->slot, scan->batch, row);
		for (int i = 0; i < fs->nfilters && n > 0; i++)
			n = ledger_filter_match(fs->filters[i], &source, &row, n);
		scan->visible[kept] = row;
		kept += n;
	}
	ExecClearTuple(fs->slot);
	return kept;
}

/* Count a segment that is read: once, though an ordered scan may come back to it. */
static void
count_segment(LedgerFilteredScan *fs, const LedgerSegmentRoot *root)
{
	bool		found;

	if (fs->read == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = ctl.entrysize = sizeof(root->segment);
		ctl.hcxt = fs->econtext->ecxt_per_query_memory;
		fs->read = hash_create("ledger segments read", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(fs->read, &root->segment, HASH_ENTER, &found);
	ledger_filtered_counts(fs)->segments += !found;
}

static int
filter_vector(LedgerFilteredScan *fs)
{
	LedgerScan *scan = fs->scan;
	LedgerFilterRows source = {RelationGetDescr(fs->rel), scan->batch, NULL, &fs->doubt};
	int			n = scan->nvisible;

	ledger_filtered_counts(fs)->vectors++;
	if (fs->instrumented && fs->nfilters == 0 && fs->answer == NULL)
		count_segment(fs, ledger_reader_root(scan->batch->reader));
	for (int i = 0; i < fs->nfilters && n > 0; i++)
		n = ledger_filter_match(fs->filters[i], &source, scan->visible, n);
	return n;
}

/*
 * Evaluate the clauses of filters that could not tell, on the rows in doubt.
 * All other filters have let these through, and no clause that is not a filter
 * is to come before: this is when heap would raise an error, if there is one.
 */
static int
settle_doubt(LedgerFilteredScan *fs, int n)
{
	LedgerScan *scan = fs->scan;
	int			kept = 0;

	fs->econtext->ecxt_scantuple = fs->slot;
	for (int k = 0; k < n; k++)
	{
		uint16		row = scan->visible[k];

		if (fs->doubt.rows[row])
		{
			CHECK_FOR_INTERRUPTS();
			ledger_slot_show_row(fs->slot, scan->batch, row);
			if (!ExecQual(fs->doubted, fs->econtext))
				continue;
		}
		scan->visible[kept++] = row;
	}
	ExecClearTuple(fs->slot);
	return kept;
}

/* Let the filters see the batch at hand; what they allocate goes with the row's. */
static void
filter_batch(LedgerFilteredScan *fs)
{
	LedgerScan *scan = fs->scan;
	MemoryContext oldcontext = MemoryContextSwitchTo(fs->econtext->ecxt_per_tuple_memory);
	int			before = scan->nvisible;

	fs->doubt.any = false;
	scan->nvisible = scan->batch->page != NULL ? filter_page(fs) : filter_vector(fs);
	if (fs->doubt.any && !fs->leave_doubt)
		scan->nvisible = settle_doubt(fs, scan->nvisible);
	ledger_filtered_counts(fs)->removed += before - scan->nvisible;
	MemoryContextSwitchTo(oldcontext);
	ResetExprContext(fs->econtext);
}

/*
 * Go to the next batch that has a row that passes: it is fs->scan->batch, and
 * the rows are fs->scan->visible.  False if there is none.
 */
bool
ledger_filtered_next_batch(LedgerFilteredScan *fs)
{
	ExecClearTuple(fs->slot);
	while (ledger_scan_next_batch(fs->scan, true))
	{
		if (fs->scan->nvisible == 0)
			continue;
		filter_batch(fs);
		if (fs->scan->nvisible > 0)
			return true;
	}
	return false;
}

/*
 * Load the batch that begins with a row, of rows up to "high"; returns how many
 * rows of it pass.  It reaches to fs->scan->high.
 */
int
ledger_filtered_load(LedgerFilteredScan *fs, LedgerRow row, LedgerRow high)
{
	ExecClearTuple(fs->slot);
	ledger_scan_load(fs->scan, row, row, high);
	if (fs->scan->nvisible > 0)
		filter_batch(fs);
	return fs->scan->nvisible;
}

/* ---- End, rescan ---- */

void
ledger_filtered_end(LedgerFilteredScan *fs)
{
	ExecClearTuple(fs->slot);
	forget_segment(fs);
	if (fs->scan != NULL)
		table_endscan(&fs->scan->base);
	fs->scan = NULL;
}

void
ledger_filtered_rescan(LedgerFilteredScan *fs)
{
	fs->constants_set = false;
	ledger_filtered_restart(fs);
}

/* Begin anew within an execution: what filters compare with stays as it is. */
void
ledger_filtered_restart(LedgerFilteredScan *fs)
{
	ExecClearTuple(fs->slot);
	if (fs->read != NULL)
		hash_destroy(fs->read);
	fs->read = NULL;
	if (fs->scan != NULL)
		table_rescan(&fs->scan->base, NULL);
}

/* ---- Parallel scans ---- */

static Size
shared_size(int nprocesses)
{
	return MAXALIGN(offsetof(LedgerScanShared, counts) + nprocesses * sizeof(LedgerScanCounts));
}

static ParallelTableScanDesc
shared_scan(LedgerScanShared *shared)
{
	return (ParallelTableScanDesc) ((char *) shared + shared_size(shared->nprocesses));
}

Size
ledger_filtered_estimate_dsm(LedgerFilteredScan *fs, ParallelContext *pcxt)
{
	return shared_size(pcxt->nworkers + 1) +
		table_parallelscan_estimate(fs->rel, fs->snapshot);
}

/* Take part in a parallel scan. */
void
ledger_filtered_attach(LedgerFilteredScan *fs, void *coordinate)
{
	fs->shared = coordinate;
	fs->scan = (LedgerScan *) table_beginscan_parallel(fs->rel, shared_scan(fs->shared));
}

void
ledger_filtered_initialize_dsm(LedgerFilteredScan *fs, ParallelContext *pcxt, void *coordinate)
{
	LedgerScanShared *shared = coordinate;

	shared->nprocesses = pcxt->nworkers + 1;
	memset(shared->counts, 0, shared->nprocesses * sizeof(LedgerScanCounts));
	table_parallelscan_initialize(fs->rel, shared_scan(shared), fs->snapshot);
	ledger_filtered_attach(fs, shared);
}

void
ledger_filtered_reinitialize_dsm(LedgerFilteredScan *fs, void *coordinate)
{
	table_parallelscan_reinitialize(fs->rel, shared_scan(coordinate));
}

static void
add_counts(LedgerScanCounts *sum, const LedgerScanCounts *counts)
{
	sum->segments += counts->segments;
	sum->segments_by_zone += counts->segments_by_zone;
	sum->segments_by_bloom += counts->segments_by_bloom;
	sum->segments_by_codes += counts->segments_by_codes;
	sum->vectors += counts->vectors;
	sum->vectors_by_zone += counts->vectors_by_zone;
	sum->vectors_by_bloom += counts->vectors_by_bloom;
	sum->vectors_by_codes += counts->vectors_by_codes;
	sum->pages += counts->pages;
	sum->pages_skipped += counts->pages_skipped;
	sum->removed += counts->removed;
	sum->vectors_answered += counts->vectors_answered;
	sum->rows_answered += counts->rows_answered;
	sum->decompressed += counts->decompressed;
}

/* What all processes have counted so far. */
void
ledger_filtered_sum_counts(LedgerFilteredScan *fs, LedgerScanCounts *sum)
{
	*sum = fs->counts;
	if (fs->shared != NULL)
		for (int i = 0; i < fs->shared->nprocesses; i++)
			add_counts(sum, &fs->shared->counts[i]);
}

/* The shared memory is about to go, which the scan uses, too. */
void
ledger_filtered_shutdown(LedgerFilteredScan *fs)
{
	if (fs->shared == NULL || IsParallelWorker())
		return;
	ledger_filtered_sum_counts(fs, &fs->counts);
	fs->shared = NULL;
	ledger_filtered_end(fs);
}
