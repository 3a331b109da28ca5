/*
 * shim.h
 *	  The little of the server that the codec needs, for programs that are not
 *	  the server.
 */
#ifndef LEDGER_SHIM_H
#define LEDGER_SHIM_H

#include "postgres.h"

#include <setjmp.h>

#include "codec/codec.h"

/* Bytes allocated now and at most since the last shim_reset_peak(). */
extern size_t shim_allocated;
extern size_t shim_peak;

/* Allocations beyond this much at once end the program. */
extern size_t shim_limit;

extern void shim_free_all(void);
extern void shim_reset_peak(void);

/* Chunks in memory. */
typedef struct ShimBuffer
{
	uint8	   *data;
	size_t		len;
	size_t		size;
	size_t		bytes_read;
} ShimBuffer;

extern LedgerSink shim_sink(ShimBuffer *buffer);
extern LedgerSource shim_source(ShimBuffer *buffer);

/* corrupt() jumps here. */
extern jmp_buf shim_corrupt_jump;
extern const char *shim_corrupt_detail;

/* What a test has seen. */
extern int	passed;
extern int	failed;
extern void report(bool ok, const char *name, const char *what);

/* A small random number generator, the same everywhere. */
extern uint64 shim_random(void);
extern void shim_seed(uint64 seed);

#define RANDOM_BELOW(n) ((int) (shim_random() % (uint64) (n)))

#endif							/* LEDGER_SHIM_H */
