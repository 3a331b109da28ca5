/*-------------------------------------------------------------------------
 *
 * tail.h
 *	  What the files of insertion into the tail share; nobody else includes this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_TAIL_H
#define LEDGER_TAIL_H

#include "write/write.h"

/* ---- lane.c ---- */

typedef enum LaneResult
{
	LANE_GOT_PAGE,
	LANE_CONTENDED,				/* somebody holds its page's lock */
	LANE_CHANGED,				/* somebody added a page: look again */
	LANE_GONE					/* its run is not there as an open one */
} LaneResult;

/* A run's last page, and how many row numbers the run uses. */
typedef struct RunEnd
{
	BlockNumber last;			/* InvalidBlockNumber if it has no page */
	uint32		nitems;
	int			nrows;
} RunEnd;

extern bool ledger_read_run_end(Relation rel, const LedgerLane *lane, RunEnd *end);
extern bool ledger_fill_last_page(Relation rel, LedgerSlotNumber slot, RunEnd *end);
extern LaneResult ledger_lock_run_end(Relation rel, const LedgerLane *lane, const RunEnd *end,
									  Buffer *mapbuf);
extern void ledger_init_tail_page(Page page, LedgerSlotNumber slot, int first,
								  uint32 dictionary);
extern Buffer ledger_get_tail_page(Relation rel, Size len);
extern void ledger_next_lane(void);

/* ---- tail_log.c ---- */

extern void ledger_log_insert(Relation rel, Buffer buffer, HeapTuple tuple, int options);
extern void ledger_log_multi_insert(Relation rel, Buffer buffer, HeapTuple *tuples,
									int ntuples, int options, bool last, char *scratch);
extern void ledger_log_pages(Relation rel, const Buffer *buffers, int n, bool compress);

/* ---- tail_pages.c ---- */

extern int	ledger_insert_pages(Relation rel, LedgerSlotNumber slot, HeapTuple *tuples,
								int ntuples, HeapTuple *stored, LedgerRow *rows);

#endif							/* LEDGER_TAIL_H */
