/*-------------------------------------------------------------------------
 *
 * am.h
 *	  The table access method's own callbacks, other than reading and writing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_AM_H
#define LEDGER_AM_H

#include "write/write.h"

/* ---- relation.c ---- */

extern void ledger_relation_set_new_file(Relation rel, const LedgerFile *file,
										 char persistence, TransactionId *freezeXid,
										 MultiXactId *minmulti);
extern void ledger_relation_nontransactional_truncate(Relation rel);
extern void ledger_relation_copy_data(Relation rel, const LedgerFile *file);
extern void ledger_relation_copy_for_cluster(Relation from, Relation to, Relation index,
											 bool use_sort, TransactionId oldest_xmin,
											 TransactionId *xid_cutoff,
											 MultiXactId *multi_cutoff, double *num_tuples,
											 double *tups_vacuumed,
											 double *tups_recently_dead);
extern uint64 ledger_relation_size(Relation rel, ForkNumber fork);
extern void ledger_relation_estimate_size(Relation rel, int32 *attr_widths,
										  BlockNumber *pages, double *tuples,
										  double *allvisfrac);
extern bool ledger_relation_needs_toast_table(Relation rel);

/* ---- toast.c ---- */

extern void ledger_toast_init(void);

#endif							/* LEDGER_AM_H */
