/*-------------------------------------------------------------------------
 *
 * rowpack.c
 *	  See rowpack.h.
 *
 * Squeezed bytes are the row's, but for
 *
 *		0xFE 0			the byte 0xFE
 *		0xFE n ...		n lower-case hexadecimal digits, n from 10 on, two a
 *						byte, the first in the high half
 *
 * 0xFE is no byte of UTF-8 and, being even, no header of a short varlena.
 *
 * A packed row is an LZ4 block.  What LZ4 may refer to are the bytes right
 * before it in the window: the dictionary, then the chain's rows so far, all of
 * them squeezed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <lz4.h>

#include "codec/rowpack.h"

#define ESCAPE			((char) 0xFE)
#define RUN_MIN			10
#define RUN_MAX			255

/* Squeezed bytes after which a chain ends: LZ4 looks back no farther. */
#define CHAIN_MAX		65536

/* A squeezed row is at most twice its size. */
#define SQUEEZED_MAX	(2 * LEDGER_ROWPACK_ROW_MAX)
#define WINDOW_SIZE		(LEDGER_ROWPACK_DICTIONARY_MAX + CHAIN_MAX + SQUEEZED_MAX)

/*
 * The dictionary lies right before the chain, wherever it begins.  LZ4's state
 * after reading the dictionary holds its address, so a window has its own.
 */
typedef struct Window
{
	uint64		dictionary;		/* its number */
	int			dictionary_length;
	int			fill;			/* bytes of the chain */
	char		bytes[WINDOW_SIZE];
} Window;

#define WINDOW_START(w)		((w)->bytes + LEDGER_ROWPACK_DICTIONARY_MAX - (w)->dictionary_length)
#define WINDOW_NEXT(w)		((w)->bytes + LEDGER_ROWPACK_DICTIONARY_MAX + (w)->fill)

/* States of LZ4 that are kept for dictionaries used lately */
#define READY_MAX		8

struct LedgerRowPacker
{
	Window		window;
	bool		open;			/* a chain may go on */
	LZ4_stream_t stream;
	int			nready;
	int			next_ready;
	struct
	{
		uint64		dictionary;
		int			length;
		LZ4_stream_t stream;
	}			ready[READY_MAX];
};

struct LedgerRowUnpacker
{
	Window		window;
};

/* ---- Squeezing ---- */

/* Value of a lower-case hexadecimal digit, or 16 and more */
static const uint8 digit_values[256] = {
#define R4(x) x, x, x, x
#define R16(x) R4(x), R4(x), R4(x), R4(x)
	R16(16), R16(16), R16(16),
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 16, 16, 16, 16, 16,
	R16(16), R16(16),
	16, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16, 16, 16, 16, 16, 16,
	R16(16), R16(16), R16(16), R16(16), R16(16),
	R16(16), R16(16), R16(16), R16(16)
};

static inline bool
is_digit(char c)
{
	return digit_values[(uint8) c] < 16;
}

/*
 * Find the next run of digits that is long enough, at p or after.  Returns
 * where it begins, or "end"; *run_end is set.
 */
static const char *
find_run(const char *p, const char *end, const char **run_end)
{
	while (end - p >= RUN_MIN)
	{
		int			i = RUN_MIN - 1;

		/* from behind: one byte that is no digit rules out several starts */
		while (i >= 0 && is_digit(p[i]))
			i--;
		if (i < 0)
		{
			const char *q = p + RUN_MIN;

			while (q < end && q - p < RUN_MAX && is_digit(*q))
				q++;
			*run_end = q;
			return p;
		}
		p += i + 1;
	}
	*run_end = end;
	return end;
}

static char *
copy_escaped(const char *p, const char *end, char *dst)
{
	while (p < end)
	{
		const char *found = memchr(p, (uint8) ESCAPE, end - p);
		Size		n = (found ? found : end) - p;

		memcpy(dst, p, n);
		dst += n;
		if (!found)
			break;
		*dst++ = ESCAPE;
		*dst++ = 0;
		p = found + 1;
	}
	return dst;
}

int
ledger_rowpack_squeeze(const char *row, int len, char *dst)
{
	const char *p = row;
	const char *end = row + len;
	char	   *start = dst;

	while (p < end)
	{
		const char *run_end;
		const char *run = find_run(p, end, &run_end);
		int			n = run_end - run;

		dst = copy_escaped(p, run, dst);
		if (run == end)
			break;
		*dst++ = ESCAPE;
		*dst++ = (char) n;
		for (int i = 0; i + 1 < n; i += 2)
			*dst++ = (char) ((digit_values[(uint8) run[i]] << 4) | digit_values[(uint8) run[i + 1]]);
		if (n & 1)
			*dst++ = (char) (digit_values[(uint8) run[n - 1]] << 4);
		p = run_end;
	}
	return dst - start;
}

/* Returns the row's length, or -1. */
static int
expand(const char *p, int len, char *row, int room)
{
	const char *end = p + len;
	char	   *dst = row;
	char	   *dst_end = row + room;

	while (p < end)
	{
		const char *found = memchr(p, (uint8) ESCAPE, end - p);
		Size		n = (found ? found : end) - p;
		int			run;

		if (n > (Size) (dst_end - dst))
			return -1;
		memcpy(dst, p, n);
		dst += n;
		if (!found)
			break;
		p = found + 1;
		if (p == end)
			return -1;
		run = (uint8) *p++;
		if (run == 0)
		{
			if (dst == dst_end)
				return -1;
			*dst++ = ESCAPE;
			continue;
		}
		if ((run + 1) / 2 > end - p || run > dst_end - dst)
			return -1;
		for (int i = 0; i < run; i++)
			dst[i] = "0123456789abcdef"[i & 1 ? p[i / 2] & 15 : (uint8) p[i / 2] >> 4];
		dst += run;
		p += (run + 1) / 2;
	}
	return dst - row;
}

/* ---- The window ---- */

static void
open_window(Window *window, const LedgerRowDictionary *dictionary)
{
	uint64		number = dictionary == NULL ? 0 : dictionary->number;

	window->fill = 0;
	if (window->dictionary == number &&
		window->dictionary_length == (dictionary == NULL ? 0 : dictionary->length))
		return;
	window->dictionary = number;
	window->dictionary_length = dictionary == NULL ? 0 : dictionary->length;
	if (dictionary != NULL)
		memcpy(WINDOW_START(window), dictionary->bytes, dictionary->length);
}

/* ---- Packing ---- */

LedgerRowPacker *
ledger_rowpacker_create(void)
{
	return palloc0(sizeof(LedgerRowPacker));
}

/* LZ4's state after reading the window's dictionary */
static const LZ4_stream_t *
ready_stream(LedgerRowPacker *packer)
{
	Window	   *window = &packer->window;
	int			i;

	for (i = 0; i < packer->nready; i++)
	{
		if (packer->ready[i].dictionary == window->dictionary &&
			packer->ready[i].length == window->dictionary_length)
			return &packer->ready[i].stream;
	}
	i = packer->next_ready;
	packer->next_ready = (i + 1) % READY_MAX;
	packer->nready = Max(packer->nready, i + 1);
	packer->ready[i].dictionary = window->dictionary;
	packer->ready[i].length = window->dictionary_length;
	LZ4_initStream(&packer->ready[i].stream, sizeof(LZ4_stream_t));
	LZ4_loadDict(&packer->ready[i].stream, WINDOW_START(window), window->dictionary_length);
	return &packer->ready[i].stream;
}

void
ledger_rowpacker_begin(LedgerRowPacker *packer, const LedgerRowDictionary *dictionary)
{
	open_window(&packer->window, dictionary);
	memcpy(&packer->stream, ready_stream(packer), sizeof(LZ4_stream_t));
	packer->open = true;
}

int
ledger_rowpacker_add(LedgerRowPacker *packer, const char *row, int len, char *dst, int room)
{
	Window	   *window = &packer->window;
	char	   *squeezed = WINDOW_NEXT(window);
	int			squeezed_len;
	int			packed;

	Assert(packer->open && len >= 0 && len <= LEDGER_ROWPACK_ROW_MAX);
	packer->open = false;
	if (window->fill >= CHAIN_MAX || room <= 0)
		return 0;
	squeezed_len = ledger_rowpack_squeeze(row, len, squeezed);
	packed = LZ4_compress_fast_continue(&packer->stream, squeezed, dst, squeezed_len, room, 1);
	if (packed <= 0)
		return 0;
	window->fill += squeezed_len;
	packer->open = true;
	return packed;
}

/* ---- Unpacking ---- */

LedgerRowUnpacker *
ledger_rowunpacker_create(void)
{
	return palloc0(sizeof(LedgerRowUnpacker));
}

void
ledger_rowunpacker_begin(LedgerRowUnpacker *unpacker, const LedgerRowDictionary *dictionary)
{
	open_window(&unpacker->window, dictionary);
}

int
ledger_rowunpacker_add(LedgerRowUnpacker *unpacker, const char *packed, int len,
					   char *row, int room)
{
	Window	   *window = &unpacker->window;
	char	   *squeezed = WINDOW_NEXT(window);
	int			squeezed_len;

	if (window->fill >= CHAIN_MAX)
		return -1;
	squeezed_len = LZ4_decompress_safe_usingDict(packed, squeezed, len, SQUEEZED_MAX,
												 WINDOW_START(window),
												 window->dictionary_length + window->fill);
	if (squeezed_len < 0)
		return -1;
	window->fill += squeezed_len;
	return expand(squeezed, squeezed_len, row, room);
}
