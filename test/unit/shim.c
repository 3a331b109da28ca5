/*
 * shim.c
 *	  See shim.h.  Every allocation is one of malloc's, so that the address
 *	  sanitizer sees its bounds.
 */
#include "shim.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

typedef struct Header
{
	struct Header *next;
	struct Header *previous;
	size_t		size;
	size_t		unused;			/* keeps what follows aligned */
} Header;

/* Where allocations are that belong to no context. */
static Header head = {&head, &head, 0, 0};

/*
 * Contexts are flat: what is allocated in one goes with it, but children of it
 * only with shim_free_all().
 */
typedef struct Context
{
	MemoryContextData data;
	Header		head;
	struct Context *next;
} Context;

static Context *contexts = NULL;

size_t		shim_allocated = 0;
size_t		shim_peak = 0;
size_t		shim_limit = (size_t) 4 << 30;

MemoryContext CurrentMemoryContext = NULL;
volatile sig_atomic_t InterruptPending = false;

jmp_buf		shim_corrupt_jump;
const char *shim_corrupt_detail;

static uint64 random_state = 1;

/*
 * An error's jump leaves allocations behind, as in the server.  Memory that is
 * freed is kept from use for a while, but not so long that all of it has to be
 * asked for anew.
 */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0:quarantine_size_mb=16:allocator_release_to_os_interval_ms=-1";
}

void
ProcessInterrupts(void)
{
}

static void *
allocate(size_t size)
{
	Header	   *header;
	Header	   *list;

	if (size > shim_limit)
	{
		fprintf(stderr, "allocation of %zu bytes, limit is %zu\n", size, shim_limit);
		abort();
	}
	header = malloc(sizeof(Header) + size);
	if (header == NULL)
		abort();
	header->size = size;
	list = CurrentMemoryContext ? &((Context *) CurrentMemoryContext)->head : &head;
	header->next = list->next;
	header->previous = list;
	list->next->previous = header;
	list->next = header;
	shim_allocated += size;
	if (shim_allocated > shim_peak)
		shim_peak = shim_allocated;
	return header + 1;
}

void
pfree(void *pointer)
{
	Header	   *header = (Header *) pointer - 1;

	header->next->previous = header->previous;
	header->previous->next = header->next;
	shim_allocated -= header->size;
	free(header);
}

void
shim_free_all(void)
{
	/* an error's jump may have left one of those */
	CurrentMemoryContext = NULL;
	while (contexts)
		MemoryContextDelete((MemoryContext) contexts);
	while (head.next != &head)
		pfree(head.next + 1);
}

void
shim_reset_peak(void)
{
	shim_peak = shim_allocated;
}

static void *
allocate_checked(size_t size)
{
	if (!AllocSizeIsValid(size))
	{
		fprintf(stderr, "invalid memory alloc request size %zu\n", size);
		abort();
	}
	return allocate(size);
}

void *
palloc(Size size)
{
	return allocate_checked(size);
}

void *
palloc0(Size size)
{
	return memset(allocate_checked(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	void	   *p = (flags & MCXT_ALLOC_HUGE) ? allocate(size) : allocate_checked(size);

	return (flags & MCXT_ALLOC_ZERO) ? memset(p, 0, size) : p;
}

/* In the same context, that is, in the same place of its list. */
void *
repalloc(void *pointer, Size size)
{
	Header	   *old = (Header *) pointer - 1;
	Header	   *neighbour = old->previous;
	void	   *p = allocate_checked(size);
	Header	   *new = (Header *) p - 1;

	memcpy(p, pointer, Min(old->size, size));
	new->next->previous = new->previous;
	new->previous->next = new->next;
	new->next = neighbour->next;
	new->previous = neighbour;
	new->next->previous = new;
	neighbour->next = new;
	pfree(pointer);
	return p;
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size minContextSize,
							  Size initBlockSize, Size maxBlockSize)
{
	Context    *context = calloc(1, sizeof(Context));

	context->head.next = context->head.previous = &context->head;
	context->next = contexts;
	contexts = context;
	return (MemoryContext) context;
}

void
MemoryContextReset(MemoryContext context)
{
	Header	   *list = &((Context *) context)->head;

	while (list->next != list)
		pfree(list->next + 1);
}

void
MemoryContextDelete(MemoryContext context)
{
	Context   **place = &contexts;

	MemoryContextReset(context);
	while (*place != (Context *) context)
		place = &(*place)->next;
	*place = (*place)->next;
	free(context);
}

static MemoryContext
switch_to(MemoryContext context)
{
	MemoryContext old = CurrentMemoryContext;

	CurrentMemoryContext = context;
	return old;
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	MemoryContext old = switch_to(context);
	void	   *p = palloc_extended(size, flags);

	CurrentMemoryContext = old;
	return p;
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return MemoryContextAllocExtended(context, size, 0);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_ZERO);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_HUGE);
}

/* little, so that all that may be kept is */
Size
MemoryContextMemAllocated(MemoryContext context, bool recurse)
{
	return 0;
}

void
initStringInfo(StringInfo str)
{
	str->data = palloc(1024);
	str->maxlen = 1024;
	resetStringInfo(str);
}

void
resetStringInfo(StringInfo str)
{
	str->data[0] = '\0';
	str->len = 0;
	str->cursor = 0;
}

void
enlargeStringInfo(StringInfo str, int needed)
{
	int			size = str->maxlen;

	while (size < str->len + needed + 1)
		size *= 2;
	if (size != str->maxlen)
	{
		str->data = repalloc(str->data, size);
		str->maxlen = size;
	}
}

void
appendBinaryStringInfo(StringInfo str, const char *data, int len)
{
	enlargeStringInfo(str, len);
	memcpy(str->data + str->len, data, len);
	str->len += len;
	str->data[str->len] = '\0';
}

void
appendStringInfoChar(StringInfo str, char c)
{
	appendBinaryStringInfo(str, &c, 1);
}

bool
errstart(int elevel, const char *domain)
{
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return true;
}

int
errmsg_internal(const char *fmt,...)
{
	fprintf(stderr, "elog: %s\n", fmt);
	return 0;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	abort();
}

void
ExceptionalCondition(const char *condition, const char *type, const char *file, int line)
{
	fprintf(stderr, "%s:%d: failed %s\n", file, line, condition);
	abort();
}

static void
buffer_write(void *arg, const void *data, size_t len)
{
	ShimBuffer *buffer = arg;

	while (buffer->len + len > buffer->size)
	{
		buffer->size = Max(buffer->size * 2, 65536);
		buffer->data = realloc(buffer->data, buffer->size);
	}
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
}

static void
buffer_read(void *arg, uint64 offset, size_t len, void *dst)
{
	ShimBuffer *buffer = arg;

	if (offset > buffer->len || len > buffer->len - offset)
	{
		fprintf(stderr, "read of %zu bytes at " UINT64_FORMAT " from %zu\n",
				len, offset, buffer->len);
		abort();
	}
	memcpy(dst, buffer->data + offset, len);
	buffer->bytes_read += len;
}

static void
buffer_corrupt(void *arg, const char *detail)
{
	static char kept[256];

	/* what the codec gives may be on its stack, as ereport allows */
	snprintf(kept, sizeof(kept), "%s", detail);
	shim_corrupt_detail = kept;
	longjmp(shim_corrupt_jump, 1);
}

LedgerSink
shim_sink(ShimBuffer *buffer)
{
	LedgerSink	sink = {buffer_write, buffer};

	return sink;
}

LedgerSource
shim_source(ShimBuffer *buffer)
{
	LedgerSource source = {buffer_read, buffer_corrupt, buffer};

	return source;
}

void
shim_seed(uint64 seed)
{
	random_state = seed * UINT64CONST(0x9E3779B97F4A7C15) + 1;
}

/* splitmix64 */
uint64
shim_random(void)
{
	uint64		z = (random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

int			passed = 0;
int			failed = 0;

void
report(bool ok, const char *name, const char *what)
{
	if (ok)
		passed++;
	else
	{
		failed++;
		printf("FAILED: %s: %s\n", name, what);
	}
}
