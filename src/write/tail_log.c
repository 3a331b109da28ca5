/*-------------------------------------------------------------------------
 *
 * tail_log.c
 *	  The records of rows put in the tail: the heap's own, and images of pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam_xlog.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/pg_control.h"
#include "write/tail.h"

pg_attribute_hot static uint8
insert_flags(Relation rel, int options, HeapTuple tuple)
{
	uint8		flags = 0;

	if (HeapTupleHeaderIsSpeculative(tuple->t_data))
		flags |= XLH_INSERT_IS_SPECULATIVE;
	if (ledger_is_decoded(rel) && !(options & HEAP_INSERT_NO_LOGICAL))
		flags |= XLH_INSERT_CONTAINS_NEW_TUPLE;
	return flags;
}

/* Log one tuple as heap_insert does, in the caller's critical section. */
pg_attribute_hot void
ledger_log_insert(Relation rel, Buffer buffer, HeapTuple tuple, int options)
{
	xl_heap_insert xlrec;
	xl_heap_header xlhdr;
	XLogRecPtr	lsn;
	int			bufflags = REGBUF_STANDARD;

	xlrec.offnum = ItemPointerGetOffsetNumber(&tuple->t_self);
	xlrec.flags = insert_flags(rel, options, tuple);
	if (xlrec.flags & XLH_INSERT_CONTAINS_NEW_TUPLE)
		bufflags |= REGBUF_KEEP_DATA;

	XLogBeginInsert();
	XLogRegisterData((char *) &xlrec, SizeOfHeapInsert);

	xlhdr.t_infomask2 = tuple->t_data->t_infomask2;
	xlhdr.t_infomask = tuple->t_data->t_infomask;
	xlhdr.t_hoff = tuple->t_data->t_hoff;
	XLogRegisterBuffer(0, buffer, bufflags);
	XLogRegisterBufData(0, (char *) &xlhdr, SizeOfHeapHeader);
	XLogRegisterBufData(0, (char *) tuple->t_data + SizeofHeapTupleHeader,
						tuple->t_len - SizeofHeapTupleHeader);
	XLogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
	lsn = XLogInsert(RM_HEAP_ID, XLOG_HEAP_INSERT);
	PageSetLSN(BufferGetPage(buffer), lsn);
}

/* Log tuples just put on a page one after the other, likewise. */
void
ledger_log_multi_insert(Relation rel, Buffer buffer, HeapTuple *tuples, int ntuples,
						int options, bool last, char *scratch)
{
	xl_heap_multi_insert *xlrec = (xl_heap_multi_insert *) scratch;
	char	   *data = scratch + SizeOfHeapMultiInsert + ntuples * sizeof(OffsetNumber);
	char	   *next = data;
	XLogRecPtr	lsn;
	int			bufflags = REGBUF_STANDARD;

	xlrec->flags = 0;
	if (ledger_is_decoded(rel) && !(options & HEAP_INSERT_NO_LOGICAL))
	{
		xlrec->flags |= XLH_INSERT_CONTAINS_NEW_TUPLE;
		bufflags |= REGBUF_KEEP_DATA;
	}
	if (last)
		xlrec->flags |= XLH_INSERT_LAST_IN_MULTI;
	xlrec->ntuples = ntuples;

	for (int i = 0; i < ntuples; i++)
	{
		HeapTupleHeader header = tuples[i]->t_data;
		xl_multi_insert_tuple *xltuple = (xl_multi_insert_tuple *) SHORTALIGN(next);

		xlrec->offsets[i] = ItemPointerGetOffsetNumber(&tuples[i]->t_self);
		xltuple->t_infomask2 = header->t_infomask2;
		xltuple->t_infomask = header->t_infomask;
		xltuple->t_hoff = header->t_hoff;
		xltuple->datalen = tuples[i]->t_len - SizeofHeapTupleHeader;
		next = (char *) xltuple + SizeOfMultiInsertTuple;
		memcpy(next, (char *) header + SizeofHeapTupleHeader, xltuple->datalen);
		next += xltuple->datalen;
	}

	XLogBeginInsert();
	XLogRegisterData((char *) xlrec, data - scratch);
	XLogRegisterBuffer(0, buffer, bufflags);
	XLogRegisterBufData(0, data, next - data);
	XLogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
	lsn = XLogInsert(RM_HEAP2_ID, XLOG_HEAP2_MULTI_INSERT);
	PageSetLSN(BufferGetPage(buffer), lsn);
}

/*
 * Log pages as images, in the same critical section.
 *
 * They are full of rows that are alike, so "compress" has the images compressed
 * even where wal_compression is off: for heap that means full-page images of pages
 * whose rows have been logged before, here it is the rows themselves.
 */
void
ledger_log_pages(Relation rel, const Buffer *buffers, int n, bool compress)
{
	XLogRecPtr	lsn;
#ifdef USE_LZ4
	int			setting = wal_compression;
#endif

	if (!RelationNeedsWAL(rel))
		return;
#ifdef USE_LZ4
	if (compress && setting == WAL_COMPRESSION_NONE)
		wal_compression = WAL_COMPRESSION_LZ4;
#endif
	XLogBeginInsert();
	for (int i = 0; i < n; i++)
		XLogRegisterBuffer(i, buffers[i], REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
	lsn = XLogInsert(RM_XLOG_ID, XLOG_FPI);
#ifdef USE_LZ4
	wal_compression = setting;
#endif
	for (int i = 0; i < n; i++)
		PageSetLSN(BufferGetPage(buffers[i]), lsn);
}
