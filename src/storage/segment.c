/*-------------------------------------------------------------------------
 *
 * segment.c
 *	  Segments: two streams of bytes over lists of extents, and a root block.
 *
 * A segment's blocks are written one by one, each claimed, filled and logged
 * under its exclusive lock; the root block, which names them all, comes last.
 * They count as in use from the first on, because the writer has put the
 * segment's id in its primary slot's entry before (see ledger_block_is_free).
 *
 * The end of the data stream, what does not fill a block, is kept in the root
 * block if there is room: half a block less for each segment, and a whole one
 * less to read in a small one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "storage/storage.h"

/*
 * Blocks asked for at a time, of the free space map and of the end of the file:
 * the latter so many that a segment of any size has extents enough for it,
 * however many others extend the file meanwhile.
 */
#define CANDIDATES	128
#define EXTEND_MAX	1024

/* Ranges of blocks that an error message lists */
#define DESCRIBED_RANGES	8

/* With so few extents left, only fresh blocks from the end are taken. */
#define SPARE_EXTENTS	(CANDIDATES + 20)

/* Blocks of an open segment's data stream whose buffers are remembered. */
#define RECENT_MAX	8192

struct LedgerSegmentWriter
{
	Relation	rel;
	LedgerSlotNumber primary;
	uint64		segment;

	LedgerExtent *extents;		/* of the data stream, then of the xmins' */
	int			nextents;
	int			ndata_extents;
	int			first_extent;	/* of the current stream */
	uint32		nblocks;		/* written, of both streams */
	bool		xmins;			/* the xmin stream has begun */

	uint64		data_bytes;
	char	   *tail;			/* the end of the data stream, not written yet */
	size_t		ntail;
	uint32		ndata_blocks;
	uint64		bytes;			/* of the current stream */
	uint32		index;			/* next block's index in its stream */
	char	   *pending;		/* bytes that do not fill a block yet */
	size_t		npending;

	BlockNumber *candidates;
	int			ncandidates;
	int			next_candidate;
	bool		map_exhausted;	/* the free space map knows no more */
};

LedgerSegmentWriter *
ledger_segment_begin(Relation rel, LedgerSlotNumber primary, uint64 segment)
{
	LedgerSegmentWriter *writer = palloc0(sizeof(LedgerSegmentWriter));

	writer->rel = rel;
	writer->primary = primary;
	writer->segment = segment;
	writer->extents = palloc(LEDGER_SEGMENT_EXTENTS * sizeof(LedgerExtent));
	writer->pending = palloc(LEDGER_PAGE_PAYLOAD);
	writer->candidates = palloc(EXTEND_MAX * sizeof(BlockNumber));
	return writer;
}

/*
 * The same, to be written to certain blocks, in ascending order, as far as they
 * are free and enough.
 */
LedgerSegmentWriter *
ledger_segment_begin_at(Relation rel, LedgerSlotNumber primary, uint64 segment,
						const BlockNumber *blocks, int nblocks)
{
	LedgerSegmentWriter *writer = ledger_segment_begin(rel, primary, segment);

	writer->candidates = repalloc(writer->candidates,
								  Max(nblocks, EXTEND_MAX) * sizeof(BlockNumber));
	memcpy(writer->candidates, blocks, nblocks * sizeof(BlockNumber));
	writer->ncandidates = nblocks;
	writer->map_exhausted = true;
	return writer;
}

/*
 * The segment will not be finished: suggest the blocks that it has to the free
 * space map.  They are free once no entry names the segment's id any more.
 */
void
ledger_segment_abandon(LedgerSegmentWriter *writer)
{
	for (int i = 0; i < writer->nextents; i++)
		for (uint32 j = 0; j < writer->extents[i].count; j++)
			ledger_free_block(writer->rel, writer->extents[i].start + j);
	while (writer->next_candidate < writer->ncandidates)
		ledger_free_block(writer->rel, writer->candidates[writer->next_candidate++]);
	FreeSpaceMapVacuum(writer->rel);
}

static int
compare_blocks(const void *a, const void *b)
{
	BlockNumber x = *(const BlockNumber *) a;
	BlockNumber y = *(const BlockNumber *) b;

	return x < y ? -1 : x > y;
}

/* Blocks at the end of the file, together, for few extents. */
static void
extend_candidates(LedgerSegmentWriter *writer)
{
	Relation	rel = writer->rel;
	bool		lock = !RELATION_IS_LOCAL(rel);
	int			count = Min(EXTEND_MAX, Max(4, writer->nblocks / 8));

	if (lock)
		LockRelationForExtension(rel, ExclusiveLock);
	writer->ncandidates = 0;
	writer->next_candidate = 0;
	for (int i = 0; i < count; i++)
	{
		Buffer		buffer = ReadBuffer(rel, P_NEW);

		writer->candidates[writer->ncandidates++] = BufferGetBlockNumber(buffer);
		ReleaseBuffer(buffer);
	}
	if (lock)
		UnlockRelationForExtension(rel, ExclusiveLock);
}

/* Free blocks, lowest first, so that the file can shrink at its end. */
static void
find_candidates(LedgerSegmentWriter *writer)
{
	writer->ncandidates = 0;
	writer->next_candidate = 0;
	while (!writer->map_exhausted && writer->ncandidates < CANDIDATES)
	{
		BlockNumber block = GetFreeIndexPage(writer->rel);

		if (block == InvalidBlockNumber)
			writer->map_exhausted = true;
		else
			writer->candidates[writer->ncandidates++] = block;
	}
	qsort(writer->candidates, writer->ncandidates, sizeof(BlockNumber), compare_blocks);
}

static Buffer
next_block(LedgerSegmentWriter *writer)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (writer->next_candidate < writer->ncandidates)
		{
			Buffer		buffer;

			buffer = ledger_claim_block(writer->rel,
										writer->candidates[writer->next_candidate++]);
			if (BufferIsValid(buffer))
				return buffer;
		}
		else if (!writer->map_exhausted &&
				 writer->nextents < LEDGER_SEGMENT_EXTENTS - SPARE_EXTENTS)
			find_candidates(writer);
		else
			extend_candidates(writer);
	}
}

static void
refuse_fragments(LedgerSegmentWriter *writer)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("free space of ledger \"%s\" is too fragmented for a segment",
					RelationGetRelationName(writer->rel))));
}

static void
remember_block(LedgerSegmentWriter *writer, BlockNumber block)
{
	if (writer->nextents > writer->first_extent)
	{
		LedgerExtent *last = &writer->extents[writer->nextents - 1];

		if (last->start + last->count == block)
		{
			last->count++;
			return;
		}
	}
	if (writer->nextents == LEDGER_SEGMENT_EXTENTS)
		refuse_fragments(writer);
	writer->extents[writer->nextents].start = block;
	writer->extents[writer->nextents].count = 1;
	writer->nextents++;
}

/* Write a block of the segment; returns its number. */
static BlockNumber
write_block(LedgerSegmentWriter *writer, LedgerBlockKind kind, uint32 index,
			const char *data, size_t length)
{
	Buffer		buffer = next_block(writer);
	Page		page = BufferGetPage(buffer);
	BlockNumber block = BufferGetBlockNumber(buffer);

	START_CRIT_SECTION();
	ledger_page_init(page, kind, writer->primary, index, writer->segment);
	memcpy(LedgerPageContents(page), data, length);
	((PageHeader) page)->pd_lower = SizeOfPageHeaderData + length;
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(writer->rel))
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();

	UnlockReleaseBuffer(buffer);
	writer->nblocks++;
	return block;
}

static void
write_stream_block(LedgerSegmentWriter *writer, const char *data, size_t length)
{
	remember_block(writer,
				   write_block(writer, writer->xmins ? LEDGER_BLOCK_XMIN : LEDGER_BLOCK_SEGMENT,
							   writer->index++, data, length));
}

/* Append bytes to the current stream. */
void
ledger_segment_write(LedgerSegmentWriter *writer, const void *data, size_t len)
{
	const char *next = data;

	writer->bytes += len;
	while (len > 0)
	{
		size_t		part = Min(len, LEDGER_PAGE_PAYLOAD - writer->npending);

		if (writer->npending == 0 && part == LEDGER_PAGE_PAYLOAD)
			write_stream_block(writer, next, part);
		else
		{
			memcpy(writer->pending + writer->npending, next, part);
			writer->npending += part;
			if (writer->npending == LEDGER_PAGE_PAYLOAD)
			{
				write_stream_block(writer, writer->pending, writer->npending);
				writer->npending = 0;
			}
		}
		next += part;
		len -= part;
	}
}

/* Bytes written to the current stream so far. */
uint64
ledger_segment_offset(LedgerSegmentWriter *writer)
{
	return writer->bytes;
}

/* The block that holds the index'th piece of a stream. */
static BlockNumber
block_at(const LedgerExtent *extents, int nextents, uint64 index)
{
	for (int i = 0; i < nextents; i++)
	{
		if (index < extents[i].count)
			return extents[i].start + index;
		index -= extents[i].count;
	}
	return InvalidBlockNumber;
}

/* Copy out bytes that were written to the current stream. */
void
ledger_segment_read_back(LedgerSegmentWriter *writer, uint64 offset, size_t len, void *dst)
{
	Relation	rel = writer->rel;
	char	   *to = dst;

	Assert(offset + len <= writer->bytes);
	while (len > 0)
	{
		uint64		index = offset / LEDGER_PAGE_PAYLOAD;
		size_t		start = offset % LEDGER_PAGE_PAYLOAD;
		size_t		part = Min(len, LEDGER_PAGE_PAYLOAD - start);

		if (index == writer->index)
			memcpy(to, writer->pending + start, part);
		else
		{
			BlockNumber block = block_at(writer->extents + writer->first_extent,
										 writer->nextents - writer->first_extent, index);
			Buffer		buffer = ledger_read_block(rel, block);
			Page		page = BufferGetPage(buffer);

			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			if (!ledger_tag_is(page, writer->xmins ? LEDGER_BLOCK_XMIN : LEDGER_BLOCK_SEGMENT,
							   writer->primary, index, writer->segment))
				ledger_corrupt(rel, block, "a block of segment " UINT64_FORMAT " was overwritten",
							   writer->segment);
			memcpy(to, LedgerPageContents(page) + start, part);
			UnlockReleaseBuffer(buffer);
		}
		to += part;
		offset += part;
		len -= part;
	}
}

static void
flush_stream(LedgerSegmentWriter *writer)
{
	if (writer->npending > 0)
		write_stream_block(writer, writer->pending, writer->npending);
	writer->npending = 0;
}

/* Extents that are reckoned with: of the xmin stream, and of what is not written yet. */
#define MORE_EXTENTS	8

/*
 * Have the data stream's last bytes, which are yet to be written, be in the root
 * block if they fit there at all: where too much of an unfinished block precedes
 * them, that is filled up with zeros.  It would take a block of its own anyway, but
 * for a few bytes that are reckoned with and may not be needed.
 */
void
ledger_segment_end_in_root(LedgerSegmentWriter *writer, int nslots, size_t len)
{
	size_t		left = LEDGER_PAGE_PAYLOAD - writer->npending;
	size_t		used = sizeof(LedgerSegmentRoot) + nslots * sizeof(LedgerSegmentSlot) +
		(writer->nextents + MORE_EXTENTS) * sizeof(LedgerExtent) + len;

	Assert(!writer->xmins);
	if (writer->npending == 0 || used <= left || used > LEDGER_PAGE_PAYLOAD)
		return;
	memset(writer->pending + writer->npending, 0, left);
	writer->bytes += left;
	writer->npending += left;
	flush_stream(writer);
}

/* What is written from here on goes to the xmin stream. */
void
ledger_segment_start_xmins(LedgerSegmentWriter *writer)
{
	Assert(!writer->xmins);
	writer->tail = writer->pending;
	writer->ntail = writer->npending;
	writer->ndata_blocks = writer->index;
	writer->pending = palloc(LEDGER_PAGE_PAYLOAD);
	writer->npending = 0;
	writer->xmins = true;
	writer->data_bytes = writer->bytes;
	writer->ndata_extents = writer->nextents;
	writer->first_extent = writer->nextents;
	writer->bytes = 0;
	writer->index = 0;
}

static pg_crc32c
root_crc(const LedgerSegmentRoot *root, const void *rest, size_t length)
{
	LedgerSegmentRoot copy = *root;
	pg_crc32c	crc;

	copy.crc = 0;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &copy, sizeof(copy));
	COMP_CRC32C(crc, rest, length);
	FIN_CRC32C(crc);
	return crc;
}

/* Extents and slots; what is in the data stream has checksums of its own. */
static size_t
root_rest_size(const LedgerSegmentRoot *root)
{
	return (root->nextents + root->nxmin_extents) * sizeof(LedgerExtent) +
		root->nslots * sizeof(LedgerSegmentSlot);
}

/* Where the part of the data stream begins that is in the root block. */
static uint64
inline_start(const LedgerSegmentRoot *root)
{
	return root->data_bytes - root->inline_bytes;
}

/*
 * How much of that part comes before the rest of it in the block: the column
 * directory, with which the stream ends.  So who opens a segment finds all that he
 * wants at the start of one block.
 */
static size_t
inline_front(const LedgerSegmentRoot *root)
{
	return (size_t) Min(root->data_bytes - root->directory_offset, root->inline_bytes);
}

/*
 * The end of the data stream does not fit into the root block: write it as the
 * stream's last block, with an extent after those of the others.
 */
static void
write_tail(LedgerSegmentWriter *writer)
{
	int			n = writer->ndata_extents;
	LedgerExtent *extents = writer->extents;
	BlockNumber block = write_block(writer, LEDGER_BLOCK_SEGMENT, writer->ndata_blocks,
									writer->tail, writer->ntail);

	writer->ntail = 0;
	if (n > 0 && extents[n - 1].start + extents[n - 1].count == block)
	{
		extents[n - 1].count++;
		return;
	}
	if (writer->nextents == LEDGER_SEGMENT_EXTENTS)
		refuse_fragments(writer);
	memmove(&extents[n + 1], &extents[n], (writer->nextents - n) * sizeof(LedgerExtent));
	extents[n].start = block;
	extents[n].count = 1;
	writer->ndata_extents++;
	writer->nextents++;
}

/*
 * Write the root block, of which the caller has filled in what concerns rows
 * and columns, and return its number.  The xmin stream must have been begun.
 */
BlockNumber
ledger_segment_finish(LedgerSegmentWriter *writer, LedgerSegmentRoot *root,
					  const LedgerSegmentSlot *slots, uint32 *nblocks)
{
	char	   *page = palloc(LEDGER_PAGE_PAYLOAD);
	char	   *rest = page + sizeof(LedgerSegmentRoot);
	BlockNumber block;
	size_t		extents_size;
	size_t		rest_size;
	size_t		front;

	Assert(writer->xmins);
	flush_stream(writer);
	if (sizeof(LedgerSegmentRoot) + writer->nextents * sizeof(LedgerExtent) +
		root->nslots * sizeof(LedgerSegmentSlot) + writer->ntail > LEDGER_PAGE_PAYLOAD)
		write_tail(writer);

	root->magic = LEDGER_MAGIC;
	root->version = LEDGER_FORMAT_VERSION;
	root->segment = writer->segment;
	root->primary = writer->primary;
	root->nextents = writer->ndata_extents;
	root->nxmin_extents = writer->nextents - writer->ndata_extents;
	root->data_bytes = writer->data_bytes;
	root->inline_bytes = writer->ntail;
	root->xmin_bytes = writer->bytes;

	extents_size = writer->nextents * sizeof(LedgerExtent);
	memcpy(rest, writer->extents, extents_size);
	memcpy(rest + extents_size, slots, root->nslots * sizeof(LedgerSegmentSlot));
	rest_size = root_rest_size(root);
	front = inline_front(root);
	memcpy(rest + rest_size, writer->tail + writer->ntail - front, front);
	memcpy(rest + rest_size + front, writer->tail, writer->ntail - front);
	root->crc = root_crc(root, rest, rest_size);
	memcpy(page, root, sizeof(*root));

	block = write_block(writer, LEDGER_BLOCK_SEGROOT, 0, page,
						sizeof(LedgerSegmentRoot) + rest_size + writer->ntail);
	*nblocks = writer->nblocks;

	/* give back what was not needed */
	if (writer->next_candidate < writer->ncandidates)
	{
		BlockNumber first = writer->candidates[writer->next_candidate];
		BlockNumber last = writer->candidates[writer->ncandidates - 1];

		while (writer->next_candidate < writer->ncandidates)
			ledger_free_block(writer->rel, writer->candidates[writer->next_candidate++]);
		FreeSpaceMapVacuumRange(writer->rel, first, last + 1);
	}
	pfree(page);
	return block;
}

/* Blocks of each prefix of a stream's extents, for binary search. */
static void
sum_extents(const LedgerExtent *extents, int nextents, uint64 *ends)
{
	uint64		sum = 0;

	for (int i = 0; i < nextents; i++)
	{
		sum += extents[i].count;
		ends[i] = sum;
	}
}

/*
 * Is it the root of this segment?  The page's header says that it is a root, which
 * nothing that is stored can say, and the root which.  The tag, which says both, is at
 * the other end of the block: memory that a connection's first look-up would touch,
 * for each segment, to no other end.
 */
static bool
root_is_of(Page page, LedgerSlotNumber primary, uint64 segment)
{
	const LedgerSegmentRoot *root = (const LedgerSegmentRoot *) LedgerPageContents(page);

	return ledger_page_is_root(page) && root->magic == LEDGER_MAGIC &&
		root->version == LEDGER_FORMAT_VERSION &&
		root->segment == segment && root->primary == primary;
}

static bool
root_is_sane(const LedgerSegmentRoot *root)
{
	return root->nextents + root->nxmin_extents <= LEDGER_SEGMENT_EXTENTS &&
		root->nslots <= LEDGER_SEGMENT_SLOTS &&
		root->directory_offset <= root->data_bytes &&
		root->inline_bytes <= root->data_bytes &&
		(root->inline_bytes == 0 || inline_start(root) % LEDGER_PAGE_PAYLOAD == 0) &&
		sizeof(*root) + root_rest_size(root) + root->inline_bytes <= LEDGER_PAGE_PAYLOAD;
}

LedgerSegment *
ledger_segment_open(Relation rel, BlockNumber block, LedgerSlotNumber primary,
					uint64 segment)
{
	LedgerSegment *result;
	Buffer		buffer = ledger_read_block(rel, block);
	Page		page = BufferGetPage(buffer);
	const char *rest = LedgerPageContents(page) + sizeof(LedgerSegmentRoot);
	size_t		size;
	int			nextents;
	bool		is_right;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!root_is_of(page, primary, segment))
	{
		UnlockReleaseBuffer(buffer);
		return NULL;
	}
	result = palloc(sizeof(LedgerSegment));
	result->block = block;
	memcpy(&result->root, LedgerPageContents(page), sizeof(LedgerSegmentRoot));
	if (!root_is_sane(&result->root))
		ledger_corrupt(rel, block, "the root of segment " UINT64_FORMAT " is not one", segment);
	size = root_rest_size(&result->root);
	is_right = result->root.crc == root_crc(&result->root, rest, size);
	result->extents = palloc(size);
	memcpy(result->extents, rest, size);
	UnlockReleaseBuffer(buffer);
	if (!is_right)
		ledger_corrupt(rel, block, "the root of segment " UINT64_FORMAT " fails its check", segment);

	nextents = result->root.nextents + result->root.nxmin_extents;
	result->slots = (LedgerSegmentSlot *) (result->extents + nextents);
	result->extent_ends = palloc(Max(nextents, 1) * sizeof(uint64));
	sum_extents(result->extents, result->root.nextents, result->extent_ends);
	sum_extents(result->extents + result->root.nextents, result->root.nxmin_extents,
				result->extent_ends + result->root.nextents);
	result->nrecent = Min(result->root.data_bytes / LEDGER_PAGE_PAYLOAD + 1, RECENT_MAX);
	result->recent = palloc0(result->nrecent * sizeof(Buffer));
	return result;
}

/* Free what opening it took. */
void
ledger_segment_close(LedgerSegment *segment)
{
	pfree(segment->recent);
	pfree(segment->extent_ends);
	pfree(segment->extents);	/* with the slots */
	pfree(segment);
}

/* Is the index'th piece of a stream the one that the root block has? */
static inline bool
is_in_root(const LedgerSegment *segment, bool xmins, uint64 index)
{
	const LedgerSegmentRoot *root = &segment->root;

	return !xmins && root->inline_bytes > 0 && index == inline_start(root) / LEDGER_PAGE_PAYLOAD;
}

/* The block that holds the index'th piece of one of the segment's streams. */
static BlockNumber
stream_block(const LedgerSegment *segment, bool xmins, uint64 index)
{
	int			low = xmins ? segment->root.nextents : 0;
	int			high = low + (xmins ? segment->root.nxmin_extents : segment->root.nextents);
	int			first = low;
	int			end = high;

	if (is_in_root(segment, xmins, index))
		return segment->block;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (segment->extent_ends[middle] <= index)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == end)
		return InvalidBlockNumber;
	return segment->extents[low].start +
		(index - (low == first ? 0 : segment->extent_ends[low - 1]));
}

/* One read in so many counts as use of the buffer. */
#define COUNTED_READS		8

/*
 * Read a stream's block.  Who looks things up reads a few bytes of it here and
 * there, so that to find the buffer takes a good part of the time; mostly it is
 * where it was.  To take it from there leaves its usage count alone, by which the
 * server knows what to keep, so now and then it is read like any other.
 */
static Buffer
read_stream_block(Relation rel, const LedgerSegment *segment, bool xmins, uint64 index)
{
	BlockNumber block = stream_block(segment, xmins, index);
	Buffer	   *recent = !xmins && index < segment->nrecent ? &segment->recent[index] : NULL;
	Buffer		buffer;

	if (recent != NULL && BufferIsValid(*recent) &&
		pg_prng_uint32(&pg_global_prng_state) % COUNTED_READS != 0 &&
		ReadRecentBuffer(LedgerFileOf(rel), MAIN_FORKNUM, block, *recent))
	{
		pgstat_count_buffer_read(rel);
		pgstat_count_buffer_hit(rel);
		return *recent;
	}
	buffer = ledger_read_block(rel, block);
	if (recent != NULL)
		*recent = buffer;
	return buffer;
}

/* Of a block that is locked: is it what the stream has there? */
static bool
is_stream_page(Page page, const LedgerSegment *segment, bool xmins, uint64 index)
{
	const LedgerSegmentRoot *root = &segment->root;

	if (is_in_root(segment, xmins, index))
		return ledger_page_is_root(page) &&
			memcmp(LedgerPageContents(page), root, sizeof(LedgerSegmentRoot)) == 0;
	return ledger_tag_says(page, xmins ? LEDGER_BLOCK_XMIN : LEDGER_BLOCK_SEGMENT,
						   root->primary, index, root->segment);
}

/* Copy what the root block has of the data stream, from byte "start" of that on. */
static void
copy_inline(Page page, const LedgerSegment *segment, size_t start, size_t len, char *to)
{
	const LedgerSegmentRoot *root = &segment->root;
	const char *contents = LedgerPageContents(page) + sizeof(LedgerSegmentRoot) +
		root_rest_size(root);
	size_t		front = inline_front(root);
	size_t		behind = root->inline_bytes - front;	/* precedes it in the stream */
	size_t		part = start < behind ? Min(len, behind - start) : 0;

	memcpy(to, contents + front + start, part);
	if (part < len)
		memcpy(to + part, contents + (start + part - behind), len - part);
}

bool
ledger_segment_read(Relation rel, const LedgerSegment *segment, bool xmins,
					uint64 offset, size_t len, void *dst)
{
	char	   *to = dst;
	uint64		total = xmins ? segment->root.xmin_bytes : segment->root.data_bytes;

	if (offset > total || len > total - offset)
		ledger_corrupt(rel, segment->block, "segment " UINT64_FORMAT
					   " is read past its end", segment->root.segment);

	while (len > 0)
	{
		uint64		index = offset / LEDGER_PAGE_PAYLOAD;
		size_t		start = offset % LEDGER_PAGE_PAYLOAD;
		size_t		part = Min(len, LEDGER_PAGE_PAYLOAD - start);
		Buffer		buffer;
		Page		page;
		bool		is_right;

		CHECK_FOR_INTERRUPTS();
		buffer = read_stream_block(rel, segment, xmins, index);
		page = BufferGetPage(buffer);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		is_right = is_stream_page(page, segment, xmins, index);
		if (is_right && is_in_root(segment, xmins, index))
			copy_inline(page, segment, start, part, to);
		else if (is_right)
			memcpy(to, LedgerPageContents(page) + start, part);
		UnlockReleaseBuffer(buffer);
		if (!is_right)
			return false;
		to += part;
		offset += part;
		len -= part;
	}
	return true;
}

LedgerColumnEntry *
ledger_segment_directory(Relation rel, const LedgerSegment *segment)
{
	const LedgerSegmentRoot *root = &segment->root;
	size_t		size = root->ncolumns * sizeof(LedgerColumnEntry);
	LedgerColumnEntry *columns = palloc(Max(size, 1));

	if (!ledger_segment_read(rel, segment, false, root->directory_offset, size, columns))
	{
		pfree(columns);
		return NULL;
	}
	if (ledger_checksum(columns, size) != root->directory_crc)
		ledger_segment_corrupt(rel, segment, false, root->directory_offset, size,
							   "the column directory fails its check");
	return columns;
}

uint32
ledger_segment_blocks(const LedgerSegment *segment)
{
	uint32		result = 1;

	for (int i = 0; i < segment->root.nextents + segment->root.nxmin_extents; i++)
		result += segment->extents[i].count;
	return result;
}

/* Whether a block is still what a stream has at this place. */
static bool
is_own_block(Relation rel, const LedgerSegment *segment, bool xmins, uint64 index)
{
	Buffer		buffer = ledger_read_block(rel, stream_block(segment, xmins, index));
	bool		result;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	result = is_stream_page(BufferGetPage(buffer), segment, xmins, index);
	UnlockReleaseBuffer(buffer);
	return result;
}

/* Append the numbers of a stream's blocks first .. last. */
static void
describe_blocks(StringInfo text, const LedgerSegment *segment, bool xmins,
				uint64 first, uint64 last)
{
	uint64		index = first;

	for (int ranges = 0; index <= last; ranges++)
	{
		BlockNumber block = stream_block(segment, xmins, index);
		BlockNumber end = block;

		if (ranges == DESCRIBED_RANGES)
		{
			appendStringInfoString(text, ", ...");
			return;
		}
		while (index < last && stream_block(segment, xmins, index + 1) == end + 1)
		{
			index++;
			end++;
		}
		index++;
		if (block == end)
			appendStringInfo(text, "%s%u", ranges > 0 ? ", " : "", block);
		else
			appendStringInfo(text, "%s%u to %u", ranges > 0 ? ", " : "", block, end);
	}
}

/*
 * Report bytes of a stream as corrupt.  The block that is named is the first
 * one that is not the segment's, or else the first of all that they are in.
 */
void
ledger_segment_corrupt(Relation rel, const LedgerSegment *segment, bool xmins,
					   uint64 offset, size_t len, const char *detail)
{
	uint64		total = xmins ? segment->root.xmin_bytes : segment->root.data_bytes;
	uint64		first = offset / LEDGER_PAGE_PAYLOAD;
	uint64		last = (offset + Max(len, 1) - 1) / LEDGER_PAGE_PAYLOAD;
	StringInfoData text;

	if (offset >= total || len > total - offset)
		ledger_corrupt(rel, segment->block, "segment " UINT64_FORMAT ": %s",
					   segment->root.segment, detail);
	for (uint64 index = first; index <= last; index++)
		if (!is_own_block(rel, segment, xmins, index))
			ledger_corrupt(rel, stream_block(segment, xmins, index),
						   "the block is not the one of segment " UINT64_FORMAT " that it should be",
						   segment->root.segment);

	initStringInfo(&text);
	if (last > first)
	{
		appendStringInfoString(&text, ", in blocks ");
		describe_blocks(&text, segment, xmins, first, last);
	}
	ledger_corrupt(rel, stream_block(segment, xmins, first), "segment " UINT64_FORMAT "%s: %s",
				   segment->root.segment, text.data, detail);
}
