/*-------------------------------------------------------------------------
 *
 * packed.h
 *	  Packed rows: how the tail holds compressed rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_PACKED_H
#define LEDGER_PACKED_H

#include "access/htup_details.h"
#include "codec/rowpack.h"
#include "storage/storage.h"

/*
 * A packed row is a heap tuple whose number of attributes is one that no table
 * can have.  Its transaction ids and command id are the row's; its data, after
 * a header without null bitmap, is
 *
 *		0	1	flags
 *		1	2	number of attributes
 *		3	2	lower half of the CRC-32C of these and the row's bytes
 *		5	..	an LZ4 block: see codec/rowpack.h
 *
 * What is packed are the bytes of the row's own tuple from t_bits on.
 */
#define LEDGER_PACKED_NATTS		HEAP_NATTS_MASK
#define LEDGER_PACKED_HEADER	5

/* The two of t_infomask that tell of the row's form; and that the chain goes on. */
#define LEDGER_PACKED_HASNULL	0x01
#define LEDGER_PACKED_VARWIDTH	0x02
#define LEDGER_PACKED_CONTINUES	0x04
#define LEDGER_PACKED_FLAGS		0x07

StaticAssertDecl(LEDGER_PACKED_NATTS > MaxHeapAttributeNumber,
				 "packed rows must be told from others");

static inline bool
ledger_is_packed(HeapTupleHeader header)
{
	return HeapTupleHeaderGetNatts(header) == LEDGER_PACKED_NATTS;
}

/* ---- dictionary.c ---- */

extern const LedgerRowDictionary *ledger_dictionary(Relation rel, uint32 number);
extern bool ledger_has_dictionary(Relation rel, uint32 number);
extern void ledger_publish_dictionary(Relation rel, const char *bytes, int length,
									  uint32 replaces);
extern void ledger_drop_dictionaries(Relation rel);
extern void ledger_forget_dictionaries(Relation rel);
extern uint64 ledger_private_number(void);
extern uint32 ledger_likely_dictionary(Relation rel);
extern void ledger_remember_dictionary(Relation rel, uint32 dictionary);

/* ---- packed.c ---- */

/* A chain under way */
typedef struct LedgerPacking
{
	const LedgerRowDictionary *dictionary;
	bool		continues;		/* the next row can refer to those before */
} LedgerPacking;

extern bool ledger_packs(Relation rel);
extern bool ledger_begin_packing(LedgerPacking *packing, Relation rel, uint32 dictionary);
extern HeapTuple ledger_pack(LedgerPacking *packing, HeapTuple tuple);

extern bool ledger_lock_tail_page(Relation rel, Buffer buffer, LedgerSlotNumber slot,
								  uint32 first);
extern void ledger_unpack(Relation rel, BlockNumber block, Page page,
						  const LedgerRowDictionary *dictionary, HeapTuple *tuples);

/* ---- learn.c ---- */

extern void ledger_note_growth(Relation rel, LedgerSlotNumber slot, uint32 before, uint32 now,
							   uint32 dictionary);
extern void ledger_learn_if_due(Relation rel);
extern void ledger_learn_from_rows(Relation rel, HeapTuple *tuples, int ntuples);

#endif							/* LEDGER_PACKED_H */
