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

#endif							/* LEDGER_TEST_JSON_H */
