/*-------------------------------------------------------------------------
 *
 * compress.c
 *	  The general-purpose compressors: LZ4, and zstd where the build has it.
 *
 * A chunk's flags say which of them its blocks are of.  A block that does not
 * shrink is stored as it is, whichever it is; so are all where there is to be
 * no compression.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <lz4.h>
#include <lz4hc.h>
#ifdef LEDGER_ZSTD
#include <zstd.h>
#endif

#include "codec/codec_internal.h"

/* No block makes more of a byte than this: LZ4's is a matter of its format. */
#define LZ4_RATIO_MAX		256
#define ZSTD_RATIO_MAX		65536
#define RATIO_EXTRA			64

#define ZSTD_LEVEL			3
#define ZSTD_LEVEL_QUICK	1

uint64		ledger_bytes_decompressed = 0;

bool
ledger_has_zstd(void)
{
#ifdef LEDGER_ZSTD
	return true;
#else
	return false;
#endif
}

#ifdef LEDGER_ZSTD
/* Made once for the process, as they are not of our memory contexts. */
static ZSTD_CCtx *compressor;
static ZSTD_DCtx *decompressor;
#endif

/*
 * Compress by zstd into room, with "dict" known to the reader; 0 if the result
 * has more than "size" bytes.
 */
int
ledger_zstd_compress(LedgerEffort effort, const char *raw, int raw_length, char *room, int size,
					 const char *dict, int dict_length)
{
#ifdef LEDGER_ZSTD
	size_t		length;

	if (size <= 0)
		return 0;
	if (compressor == NULL)
		compressor = ZSTD_createCCtx();
	if (compressor == NULL)
		return 0;
	length = ZSTD_compress_usingDict(compressor, room, size, raw, raw_length, dict, dict_length,
									 effort == LEDGER_EFFORT_QUICK ? ZSTD_LEVEL_QUICK : ZSTD_LEVEL);
	return ZSTD_isError(length) ? 0 : (int) length;
#else
	return 0;
#endif
}

/*
 * Compress a block on its own into room, which has raw_length bytes; returns
 * the length, or 0 if it does not shrink.
 */
int
ledger_compress(const LedgerEncoder *enc, int hc_level, const char *raw, int raw_length, char *room)
{
	if (raw_length < 2 || enc->compression == LEDGER_COMPRESSION_NONE)
		return 0;
	if (enc->compression == LEDGER_COMPRESSION_ZSTD)
		return ledger_zstd_compress(enc->effort, raw, raw_length, room, raw_length - 1, NULL, 0);
	return Max(LZ4_compress_HC(raw, room, raw_length, raw_length - 1, hc_level), 0);
}

/*
 * Write bytes of the preamble, compressed if that makes them fewer; "room" has
 * raw_length bytes.  What their reader has to know goes to the encoding's part
 * of the header: uint32 raw length, uint32 stored length (equal: as they are),
 * CRC-32C of the stored bytes.
 */
void
ledger_write_stored(LedgerEncoder *enc, int hc_level, const char *raw, int raw_length, char *room)
{
	int			length = ledger_compress(enc, hc_level, raw, raw_length, room);
	const char *stored = length > 0 ? room : raw;
	uint32		head[3];

	if (length == 0)
		length = raw_length;
	head[0] = raw_length;
	head[1] = length;
	head[2] = ledger_crc(stored, length);
	ledger_encoder_write(enc, stored, length);
	appendBinaryStringInfo(&enc->extra, (char *) head, sizeof(head));
}

/* Can so many stored bytes stand for so many raw ones? */
bool
ledger_ratio_good(const LedgerChunk *chunk, uint64 stored, uint64 raw)
{
	return raw <= stored * (chunk->zstd ? ZSTD_RATIO_MAX : LZ4_RATIO_MAX) + RATIO_EXTRA;
}

/*
 * Decompress a block of exactly raw_length bytes; false if it is none.
 */
bool
ledger_decompress(const LedgerChunk *chunk, const char *stored, int length, char *raw,
				  int raw_length, const char *dict, int dict_length)
{
	ledger_bytes_decompressed += raw_length;
	if (!chunk->zstd)
		return LZ4_decompress_safe_usingDict(stored, raw, length, raw_length, dict,
											 dict_length) == raw_length;
#ifdef LEDGER_ZSTD
	if (decompressor == NULL)
		decompressor = ZSTD_createDCtx();
	return decompressor != NULL &&
		ZSTD_decompress_usingDict(decompressor, raw, raw_length, stored, length, dict,
								  dict_length) == (size_t) raw_length;
#else
	return false;
#endif
}

/* Room for any block of values; what there is one of in a chunk may have more. */
#define SCRATCH_SIZE		LEDGER_LZ4_BLOCK_MAX

/*
 * Read bytes, check them, and decompress them to "raw", which has raw_length bytes.
 * (The source does not come back here while it reads.)  What is only to be
 * decompressed is read into memory that is there for the whole process: each chunk
 * that is looked at once would have some of its own otherwise, which, being touched
 * for the first time, takes longer than the reading.
 */
void
ledger_read_stored(LedgerChunk *chunk, const LedgerStored *stored, void *raw, const char *dict,
				   int dict_length)
{
	static char scratch[SCRATCH_SIZE];
	char	   *room = scratch;

	Assert(stored->length <= stored->raw_length);
	if (stored->length == stored->raw_length)
		room = raw;
	else if (stored->length > SCRATCH_SIZE)
		room = palloc(stored->length);
	chunk->source.read(chunk->source.arg, stored->offset, stored->length, room);
	if (ledger_crc(room, stored->length) != stored->crc)
		ledger_corrupt(chunk, psprintf("%s has a wrong checksum", stored->what));
	if (room == raw)
		return;
	if (!ledger_decompress(chunk, room, stored->length, raw, stored->raw_length, dict, dict_length))
		ledger_corrupt(chunk, psprintf("%s does not decompress", stored->what));
	if (room != scratch)
		pfree(room);
}
