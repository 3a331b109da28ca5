/*
 * json.h
 *	  jsonb as the server stores it, made without the server.
 */
#ifndef LEDGER_TEST_JSON_H
#define LEDGER_TEST_JSON_H

#include "shim.h"

/*
 * Make the bytes of a jsonb (without the varlena header) of JSON text that is
 * known to be valid: in numbers no exponents, in strings no \u.  Returns
 * their number; dst must have room for eight times the text and 64 more.
 */
extern size_t json_make(const char *text, char *dst);

/* A value in a jsonb. */
typedef enum JsonKind
{
	JSON_ABSENT,
	JSON_NULL,
	JSON_STRING,
	JSON_NUMBER,
	JSON_BOOL,
	JSON_OBJECT,
	JSON_ARRAY
} JsonKind;

typedef struct JsonValue
{
	JsonKind	kind;
	size_t		start;			/* in the jsonb */
	size_t		len;
	char	   *text;			/* of scalars, as ->> gives it; from malloc */
	size_t		text_len;
} JsonValue;

/* What a chain of keys leads to; objects are searched key by key. */
extern void json_get(const char *jsonb, const char *const *keys, const size_t *lens, int nkeys,
					 JsonValue *value);

/* Does (jsonb->...) ? last key hold: 1, 0, or -1 for NULL; -2: it would take long to say. */
extern int	json_exists(const char *jsonb, const char *const *keys, const size_t *lens, int nkeys);

/* The n'th key of the object at "start" of the jsonb; false if there are not so many. */
extern bool json_key(const char *jsonb, size_t start, int n, const char **key, size_t *len);

#endif							/* LEDGER_TEST_JSON_H */
