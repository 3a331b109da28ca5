/*
 * test_codec.c
 *	  Whatever goes into a chunk comes out, for every kind of type, value and
 *	  range; and no change to a chunk's bytes goes unnoticed.
 */
#include "column.h"

#include "catalog/pg_type_d.h"
#include "codec/codec_internal.h"
#include "json.h"
#include "port/pg_bitutils.h"
#include "reads.h"

static int	encodings[16];
static int	filters;

static void
count_encoding(const char *name)
{
	static const char *const names[] = {"null", "constant", "integer", "dictionary", "hex",
	"decimal", "lz4", "lz4+refs", "lines", "shredded",
	"float", "number"};

	for (int i = 0; i < (int) lengthof(names); i++)
		encodings[i] += strcmp(names[i], name) == 0;
}

/* A value that differs a little from the one given; none has "x" alike. */
static Datum
other_value(const LedgerColumnType *type, Datum value, char **room)
{
	LedgerBytes bytes;
	char	   *data;

	*room = NULL;
	if (type->attbyval)
		return value ^ 1;
	bytes = ledger_datum_bytes(type, value);
	*room = data = malloc(bytes.len + VARHDRSZ + 2);
	if (type->attlen == -1)
	{
		bool		longer = bytes.len == 0 || RANDOM_BELOW(4) == 0;

		SET_VARSIZE(data, bytes.len + longer + VARHDRSZ);
		memcpy(VARDATA(data), bytes.data, bytes.len);
		if (longer)
			VARDATA(data)[bytes.len] = 'x';
		else
			VARDATA(data)[RANDOM_BELOW(bytes.len)] ^= 1;
	}
	else
	{
		memcpy(data, bytes.data, bytes.len);
		data[bytes.len] = '\0';
		if (type->attlen > 0 || bytes.len == 0)
			data[type->attlen > 0 ? RANDOM_BELOW(bytes.len) : 0] ^= 1;
		else
			data[bytes.len - 1] ^= data[bytes.len - 1] == 1 ? 2 : 1;
		if (type->attlen == -2)
			data[bytes.len + (bytes.len == 0)] = '\0';
	}
	return PointerGetDatum(data);
}

/* The values match, and no longer do after a change to one of them. */
static bool
matching_right(LedgerChunk *chunk, const LedgerColumnInput *input, int first, int count,
			   const LedgerDecoded *decoded)
{
	Datum	   *values = malloc(sizeof(Datum) * count + 1);
	bool	   *isnull = malloc(count + 1);
	int			changed = count > 0 ? RANDOM_BELOW(count) : 0;
	char	   *room = NULL;
	bool		right;

	memcpy(values, input->values + first, sizeof(Datum) * count);
	memcpy(isnull, input->isnull + first, count);
	right = ledger_chunk_matches(chunk, first, count, decoded, values, isnull);
	if (count > 0 && (isnull[changed] || RANDOM_BELOW(4) == 0))
		isnull[changed] = !isnull[changed];
	else if (count > 0)
		values[changed] = other_value(&input->type, values[changed], &room);
	if (count > 0 && ledger_chunk_matches(chunk, first, count, decoded, values, isnull))
		right = false;
	free(values);
	free(isnull);
	free(room);
	return right;
}

/*
 * Decode some rows of a range, without references for others, and compare.
 */
static bool
some_same(LedgerChunk *chunk, const LedgerColumnInput *column, int first, int count,
		  const LedgerDecoded *decoded, int nrefs)
{
	Datum		values[LEDGER_VECTOR_ROWS];
	bool		isnull[LEDGER_VECTOR_ROWS];
	bool		wanted[LEDGER_VECTOR_ROWS];
	Datum		refs[LEDGER_ROWREF_COLUMNS][LEDGER_VECTOR_ROWS];
	bool		refs_null[LEDGER_ROWREF_COLUMNS][LEDGER_VECTOR_ROWS];
	LedgerDecoded some[LEDGER_ROWREF_COLUMNS];
	int			part = 1 + RANDOM_BELOW(8);

	for (int i = 0; i < count; i++)
		wanted[i] = RANDOM_BELOW(part) == 0;
	for (int k = 0; k < nrefs; k++)
	{
		some[k].values = refs[k];
		some[k].isnull = refs_null[k];
		for (int i = 0; i < count; i++)
		{
			refs[k][i] = wanted[i] ? decoded[k].values[i] : (Datum) 0;
			refs_null[k][i] = !wanted[i] || decoded[k].isnull[i];
		}
	}
	ledger_chunk_decode_some(chunk, first, count, wanted, some, values, isnull);
	for (int i = 0; i < count; i++)
	{
		if (wanted[i] && !column_same(column, first + i, values[i], isnull[i]))
			return false;
	}
	return true;
}

/* Decode a range and compare; "columns" has the references. */
static bool
range_same(LedgerChunk *chunk, const LedgerColumnInput *columns, int self, int first, int count)
{
	Datum	   *values = malloc(sizeof(Datum) * count + 1);
	bool	   *isnull = malloc(count + 1);
	LedgerDecoded decoded[LEDGER_ROWREF_COLUMNS];
	const int  *refs;
	int			nrefs = ledger_chunk_references(chunk, &refs);
	bool		same = true;

	for (int k = 0; k < nrefs; k++)
	{
		if (refs[k] < 0 || refs[k] >= self)
			return false;
		decoded[k].values = columns[refs[k]].values + first;
		decoded[k].isnull = columns[refs[k]].isnull + first;
	}
	ledger_chunk_decode(chunk, first, count, decoded, values, isnull);
	for (int i = 0; i < count && same; i++)
		same = column_same(&columns[self], first + i, values[i], isnull[i]);
	same = same && some_same(chunk, &columns[self], first, count, decoded, nrefs);
	same = same && matching_right(chunk, &columns[self], first, count, decoded);
	free(values);
	free(isnull);
	return same;
}

static bool
all_vectors_same(LedgerChunk *chunk, const LedgerColumnInput *columns, int self)
{
	int			nrows = columns[self].nrows;

	for (int first = 0; first < nrows; first += LEDGER_VECTOR_ROWS)
	{
		if (!range_same(chunk, columns, self, first, Min(LEDGER_VECTOR_ROWS, nrows - first)))
			return false;
	}
	return true;
}

static bool
random_ranges_same(LedgerChunk *chunk, const LedgerColumnInput *columns, int self, int n)
{
	int			nrows = columns[self].nrows;

	for (int i = 0; i < n && nrows > 0; i++)
	{
		int			first = RANDOM_BELOW(nrows);
		int			left = Min(LEDGER_VECTOR_ROWS - first % LEDGER_VECTOR_ROWS, nrows - first);

		if (!range_same(chunk, columns, self, first, RANDOM_BELOW(2) ? 1 : RANDOM_BELOW(left + 1)))
			return false;
	}
	return true;
}

static bool
every_range_same(LedgerChunk *chunk, const LedgerColumnInput *columns, int self)
{
	int			nrows = columns[self].nrows;

	for (int first = 0; first < nrows; first++)
	{
		for (int count = 0; first + count <= nrows; count++)
		{
			if (!range_same(chunk, columns, self, first, count))
				return false;
		}
	}
	return true;
}

static void
random_bytes_into(char *dst, int n)
{
	for (int i = 0; i < n; i++)
		dst[i] = (char) shim_random();
}

/* A vector's zone, as one gets it from the values themselves. */
static bool
zones_right(LedgerChunk *chunk, const LedgerColumnInput *input)
{
	bool		ordered = input->type.typid == INT2OID || input->type.typid == INT4OID ||
		input->type.typid == INT8OID || input->type.typid == TIMESTAMPTZOID;

	for (int v = 0; v * LEDGER_VECTOR_ROWS < input->nrows; v++)
	{
		int			start = v * LEDGER_VECTOR_ROWS;
		int			end = Min(start + LEDGER_VECTOR_ROWS, input->nrows);
		uint32		nulls = 0;
		int64		least = PG_INT64_MAX;
		int64		greatest = PG_INT64_MIN;
		LedgerZone	zone;

		for (int row = start; row < end; row++)
		{
			nulls += input->isnull[row];
			if (!input->isnull[row])
			{
				least = Min(least, (int64) input->values[row]);
				greatest = Max(greatest, (int64) input->values[row]);
			}
		}
		ledger_chunk_zone(chunk, v, &zone);
		if (zone.nulls != nulls)
			return false;
		if (ordered && (int) nulls < end - start &&
			(!zone.valid || (int64) zone.min != least || (int64) zone.max != greatest))
			return false;
		if (zone.valid && (!input->type.attbyval || (int) nulls == end - start))
			return false;
	}
	return true;
}

/* No value is said to be missing, and few others to be there. */
static bool
filter_right(LedgerChunk *chunk, const LedgerColumnInput *input)
{
	int			nvalues = 0;
	int			wrong = 0;

	for (int row = 0; row < input->nrows; row++)
	{
		LedgerCutZone zone;
		LedgerBytes bytes;
		uint64		hash;

		if (input->isnull[row])
			continue;
		nvalues++;
		if (!ledger_value_hash(&input->type, input->values[row], &hash))
			return !ledger_chunk_has_filter(chunk);
		if (!ledger_chunk_may_contain(chunk, hash))
			return false;
		if (input->type.attbyval)
			continue;
		ledger_chunk_cut_zone(chunk, row / LEDGER_VECTOR_ROWS, &zone);
		bytes = ledger_datum_bytes(&input->type, input->values[row]);
		if (!ledger_cut_zone_may_contain(&zone, bytes.data, bytes.len))
			return false;
		if (zone.valid && nvalues % 64 == 0)
		{
			/* what is outside of the zone is not in the vector: the oracle is a look at all */
			char		other[16];
			int			start = row - row % LEDGER_VECTOR_ROWS;

			random_bytes_into(other, sizeof(other));
			if (ledger_cut_zone_may_contain(&zone, other, sizeof(other)))
				continue;
			for (int i = start; i < Min(start + LEDGER_VECTOR_ROWS, input->nrows); i++)
			{
				if (input->isnull[i])
					continue;
				bytes = ledger_datum_bytes(&input->type, input->values[i]);
				if (bytes.len == sizeof(other) && memcmp(bytes.data, other, sizeof(other)) == 0)
					return false;
			}
		}
	}
	if (!ledger_chunk_has_filter(chunk))
		return true;
	for (int i = 0; i < 2000; i++)
		wrong += ledger_chunk_may_contain(chunk, shim_random());
	return wrong < 100;
}

/*
 * Change bytes, or cut some off; what is then decoded is right or corrupt()
 * is called.
 */
static bool
damage_noticed(const ShimBuffer *original, const LedgerColumnInput *columns, int self)
{
	ShimBuffer	copy = {malloc(original->len + 1), original->len, original->len, 0};
	LedgerSource source = shim_source(&copy);
	volatile bool ok = true;

	memcpy(copy.data, original->data, copy.len);
	if (RANDOM_BELOW(8) == 0)
		copy.len = RANDOM_BELOW(copy.len);
	else if (RANDOM_BELOW(2) == 0)
		copy.data[copy.len - 1 - RANDOM_BELOW(Min(copy.len, 200))] ^= 1 << RANDOM_BELOW(8);
	else
		copy.data[RANDOM_BELOW(copy.len)] ^= 1 + RANDOM_BELOW(255);
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerChunk *chunk = ledger_chunk_open(&source, copy.len, &columns[self].type,
											   columns[self].nrows, NULL);

		ok = all_vectors_same(chunk, columns, self);
	}
	free(copy.data);
	return ok;
}

/* A summary made when the values came changes nothing. */
static bool
same_with_summary(const LedgerColumnInput *columns, int self, const LedgerEncodeOptions *options,
				  const ShimBuffer *expected)
{
	LedgerColumnInput copies[8];
	LedgerSummary summary = {0};
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);
	bool		same;

	memcpy(copies, columns, (self + 1) * sizeof(LedgerColumnInput));
	summary.constant = true;
	for (int row = 0; row < columns[self].nrows; row++)
	{
		if (!columns[self].isnull[row])
			ledger_summary_add(&summary, &columns[self].type, columns[self].values, row);
	}
	copies[self].summary = &summary;
	ledger_chunk_encode_with(copies, self, options, &sink);
	same = buffer.len == expected->len && memcmp(buffer.data, expected->data, buffer.len) == 0;
	free(buffer.data);
	return same;
}

/* With the header in another place the bytes are the same, and so is what is read. */
static bool
same_with_header_apart(const LedgerColumnInput *columns, int self,
					   const LedgerEncodeOptions *options, ShimBuffer *expected)
{
	ShimBuffer	body = {0};
	StringInfoData header;
	LedgerSink	sink = shim_sink(&body);
	LedgerSource source = shim_source(expected);
	const LedgerColumnInput *input = &columns[self];
	volatile bool same;

	initStringInfo(&header);
	sink.header = &header;
	same = ledger_chunk_encode_with(columns, self, options, &sink) == expected->len &&
		body.len + header.len == expected->len &&
		(body.len == 0 || memcmp(body.data, expected->data, body.len) == 0) &&
		memcmp(header.data, expected->data + body.len, header.len) == 0;
	source.header_length = header.len;
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerChunk *chunk = ledger_chunk_open(&source, expected->len, &input->type, input->nrows,
											   NULL);

		same &= all_vectors_same(chunk, columns, self);
	}
	else
		same = false;
	source.header_length += 1 + RANDOM_BELOW(3);
	if (source.header_length <= expected->len && setjmp(shim_corrupt_jump) == 0)
	{
		(void) ledger_chunk_open(&source, expected->len, &input->type, input->nrows, NULL);
		same = false;			/* it is not of that length */
	}
	free(body.data);
	shim_free_all();
	return same;
}

static void
check_effort(const LedgerColumnInput *columns, int self, LedgerEffort effort, const char *name,
			 int damages)
{
	const LedgerColumnInput *input = &columns[self];
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);
	LedgerSource source = shim_source(&buffer);
	/* mostly the usual compression, at times none or zstd */
	LedgerEncodeOptions options = {effort, RANDOM_BELOW(4) ? LEDGER_COMPRESSION_LZ4 :
	RANDOM_BELOW(2) ? LEDGER_COMPRESSION_NONE : LEDGER_COMPRESSION_ZSTD};
	uint64		length = ledger_chunk_encode_with(columns, self, &options, &sink);
	bool		noticed = true;
	const char *bad;

	report(length == buffer.len, name, "length");
	report(same_with_summary(columns, self, &options, &buffer), name, "summary");
	shim_free_all();
	report(same_with_header_apart(columns, self, &options, &buffer), name, "header apart");
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerChunk *chunk = ledger_chunk_open(&source, length, &input->type, input->nrows, NULL);

		count_encoding(ledger_chunk_encoding(chunk));
		report(all_vectors_same(chunk, columns, self), name, "vectors");
		report(random_ranges_same(chunk, columns, self, input->nrows > 1000 ? 20 : 50), name, "ranges");
		if (input->nrows <= 40)
			report(every_range_same(chunk, columns, self), name, "every range");
		report(zones_right(chunk, input), name, "zones");
		filters += ledger_chunk_has_filter(chunk);
		report(filter_right(chunk, input), name, "filter");
		bad = reads_check_column(chunk, input);
		report(bad == NULL, name, bad);
		/* of documents that are damaged, the server's answers are not defined */
		if (input->type.typid == JSONBOID && strncmp(name, "jsonb", 5) == 0 && strstr(name, "damaged") == NULL)
		{
			bad = reads_check_paths(chunk, columns, self);
			report(bad == NULL, name, bad);
		}
	}
	else
		report(false, name, shim_corrupt_detail);
	shim_free_all();
	for (int i = 0; i < damages && noticed; i++)
	{
		noticed = damage_noticed(&buffer, columns, self);
		shim_free_all();
	}
	report(noticed, name, "damage");
	free(buffer.data);
}

static void
check_column(const LedgerColumnInput *columns, int self, const char *name, int damages)
{
	check_effort(columns, self, LEDGER_EFFORT_QUICK, name, damages);
	check_effort(columns, self, LEDGER_EFFORT_THOROUGH, name, damages);
}

static void
check_single_columns(void)
{
	static const int sizes[] = {0, 1, 2, 7, 9, 33, 1023, 1024, 1025, 2100};

	for (int type = 0; type < column_ntypes(); type++)
	{
		for (int pattern = 0; pattern < column_npatterns(type); pattern++)
		{
			for (int nulls = 0; nulls < column_nnulls(); nulls++)
			{
				for (int s = 0; s < (int) lengthof(sizes); s++)
				{
					Column		column;

					/* a third of the large ones: all of them take minutes */
					if (sizes[s] > 1000 && (pattern + nulls + s) % 3 != 0)
						continue;
					column_make(&column, type, pattern, nulls, sizes[s]);
					check_column(&column.input, 0, column.name, sizes[s] > 1000 ? 3 : 8);
					column_free(&column);
				}
			}
		}
	}
}

/* Full segments, of which there are few as they take long. */
static void
check_full_segments(void)
{
	for (int type = 0; type < column_ntypes(); type++)
	{
		for (int pattern = 0; pattern < column_npatterns(type); pattern++)
		{
			Column		column;

			/* long values would be gigabytes */
			if (!(type == 6 || type == 9) || (type == 9 && (pattern == 9 || pattern == 12)) ||
				pattern % 3 == 2)
				continue;
			column_make(&column, type, pattern, pattern % 2 ? 4 : 0, LEDGER_SEGMENT_ROWS);
			check_column(&column.input, 0, column.name, 2);
			column_free(&column);
		}
	}
}

static void
check_references(void)
{
	static const int sizes[] = {1, 5, 40, 1024, 2500};

	for (int s = 0; s < (int) lengthof(sizes); s++)
	{
		for (int pattern = 0; pattern < column_npatterns(9); pattern++)
		{
			for (int nulls = 0; nulls < 2; nulls++)
			{
				Column		columns[4];
				LedgerColumnInput inputs[4];

				if (pattern == 9 && sizes[s] > 1024)
					continue;
				column_make(&columns[0], 9, 3, nulls, sizes[s]);
				column_make(&columns[1], 6, 1, nulls, sizes[s]);
				column_make(&columns[2], 9, pattern, nulls, sizes[s]);
				column_make_entry(&columns[3], columns, 1, sizes[s], false);
				column_free(&columns[3]);
				columns[1].input.type.attbyval = true;
				{
					Column		others[2] = {columns[0], columns[2]};

					column_make_entry(&columns[3], others, 2, sizes[s], pattern % 3 == 0);
				}
				for (int i = 0; i < 4; i++)
					inputs[i] = columns[i].input;
				check_column(inputs, 3, columns[3].name, sizes[s] > 1000 ? 4 : 10);
				for (int i = 0; i < 4; i++)
					column_free(&columns[i]);
			}
		}
	}
}

/* Documents that are taken apart, or not, and refer to columns before them. */
static void
check_json(void)
{
	static const int sizes[] = {1, 40, 1024, 2500};

	for (int s = 0; s < (int) lengthof(sizes); s++)
	{
		for (int pattern = 0; pattern < column_njson(); pattern++)
		{
			for (int nulls = 0; nulls < 2; nulls++)
			{
				Column		columns[4];
				LedgerColumnInput inputs[4];

				if (pattern == 6 && sizes[s] > 1024)
					continue;
				column_make(&columns[0], 9, 3, nulls, sizes[s]);
				column_make(&columns[1], 6, 1, nulls, sizes[s]);
				column_make(&columns[2], 9, pattern, nulls, sizes[s]);
				{
					Column		others[2] = {columns[0], columns[2]};

					column_make_json(&columns[3], pattern, others, 2, sizes[s]);
				}
				for (int i = 0; i < 4; i++)
					inputs[i] = columns[i].input;
				check_column(inputs, 3, columns[3].name, sizes[s] > 1000 ? 6 : 20);
				for (int i = 0; i < 4; i++)
					column_free(&columns[i]);
			}
		}
	}
}

/* A sub-column's values, path and type as one expects them. */
static void
check_subcolumns(void)
{
	static const char *const expected[] = {"$.n", "$.list[*].\"a b\"", "$.s", "$.price"};
	static char room[4096];
	const LedgerColumnType type = {JSONBOID, 0, -1, false, 'i'};
	Datum		values[400];
	bool		isnull[400] = {false};
	LedgerColumnInput input = {type, 400, values, isnull, NULL};
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);
	LedgerSource source = shim_source(&buffer);
	int			found = 0;

	for (int row = 0; row < 400; row++)
	{
		char		text[200];
		char	   *value;
		size_t		len;

		snprintf(text, sizeof(text), "{\"n\":%d,\"list\":[{\"a b\":%d},{\"a b\":7}],\"price\":%d.%d5,\"c\":\"always\",\"s\":\"%d x %d\"}",
				 row - 10, row, row, row % 10, row % 3, row);
		len = json_make(text, room);
		value = malloc(len + VARHDRSZ);
		SET_VARSIZE(value, len + VARHDRSZ);
		memcpy(value + VARHDRSZ, room, len);
		values[row] = PointerGetDatum(value);
	}
	ledger_chunk_encode(&input, 0, LEDGER_EFFORT_THOROUGH, &sink);
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerChunk *chunk = ledger_chunk_open(&source, buffer.len, &type, 400, NULL);

		for (int i = 0; i < ledger_chunk_subcolumns(chunk); i++)
		{
			LedgerSubcolumn sub;
			Datum		decoded[400];
			bool		null[400];

			ledger_chunk_subcolumn(chunk, i, &sub);
			for (int k = 0; k < (int) lengthof(expected); k++)
				found += strlen(expected[k]) == sub.path_len &&
					memcmp(expected[k], sub.path, sub.path_len) == 0;
			ledger_chunk_decode(sub.chunk, 0, 100, NULL, decoded, null);
			if (sub.path_len == 3 && memcmp(sub.path, "$.n", 3) == 0)
				report(sub.type.typid == INT8OID && sub.nvalues == 400 && decoded[99] == 89,
					   "sub-columns", "integers");
			if (sub.path_len == 7 && memcmp(sub.path, "$.price", 7) == 0)
				report(sub.type.typid == INT8OID && sub.scale == 2 && decoded[99] == 9995,
					   "sub-columns", "decimals");
			if (sub.path_len > 6 && memcmp(sub.path, "$.list", 6) == 0)
				report(sub.nvalues == 400, "sub-columns", "elements that differ");
		}
		report(found == (int) lengthof(expected), "sub-columns", "paths");
		report(ledger_chunk_subcolumns(chunk) == found, "sub-columns", "number");
	}
	else
		report(false, "sub-columns", shim_corrupt_detail);
	shim_free_all();
	for (int row = 0; row < 400; row++)
		free(DatumGetPointer(values[row]));
	free(buffer.data);
}

/* One value of so many megabytes and some small ones: memory stays small. */
static void
check_huge_value(LedgerEffort effort, int megabytes)
{
	const LedgerColumnType type = {TEXTOID, 100, -1, false, 'i'};
	Size		len = (Size) megabytes * 1024 * 1024;
	char	   *huge = malloc(len + VARHDRSZ);
	Datum		values[3];
	bool		isnull[3] = {false, false, false};
	char		small[VARHDRSZ + 4];
	LedgerColumnInput input = {type, 3, values, isnull, NULL};
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);

	memset(huge, 'x', len + VARHDRSZ);
	for (Size i = VARHDRSZ; i < len; i += 64)
		memcpy(huge + i, &i, sizeof(i));
	SET_VARSIZE(huge, len + VARHDRSZ);
	SET_VARSIZE(small, sizeof(small));
	memcpy(small + VARHDRSZ, "tiny", 4);
	values[0] = values[2] = PointerGetDatum(small);
	values[1] = PointerGetDatum(huge);

	shim_reset_peak();
	ledger_chunk_encode(&input, 0, effort, &sink);
	report(shim_peak < 12 * 1024 * 1024, "huge value", "memory to encode");
	shim_free_all();
	shim_reset_peak();
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerSource source = shim_source(&buffer);
		LedgerChunk *chunk = ledger_chunk_open(&source, buffer.len, &type, 3, NULL);

		report(range_same(chunk, &input, 0, 1, 1), "huge value", "value");
		report(shim_peak < len + 4 * 1024 * 1024, "huge value", "memory to decode");
		report(range_same(chunk, &input, 0, 0, 3), "huge value", "vector");
	}
	else
		report(false, "huge value", shim_corrupt_detail);
	shim_free_all();
	free(buffer.data);
	free(huge);
}

/* A numeric as the server stores it: sign, weight, display scale, digits to base 10000. */
static Datum
make_numeric(bool short_form, bool negative, int weight, int scale, const int16 *digits, int n)
{
	static char room[8][64];
	static int	next;
	char	   *p = room[next++ % 8];
	uint16		header[2];
	int			len = short_form ? 2 : 4;

	header[0] = short_form ? 0x8000 | (negative ? 0x2000 : 0) | scale << 7 | (weight & 0x7F) :
		(negative ? 0x4000 : 0) | scale;
	header[1] = (uint16) weight;
	SET_VARSIZE(p, VARHDRSZ + len + n * sizeof(int16));
	memcpy(p + VARHDRSZ, header, len);
	memcpy(p + VARHDRSZ + len, digits, n * sizeof(int16));
	return PointerGetDatum(p);
}

static uint64
hash_of(Oid typid, int16 attlen, Oid collation, Datum value)
{
	LedgerColumnType type = {typid, collation, attlen, attlen == 4 || attlen == 8 || attlen == 2, 'i'};
	uint64		hash = 0;

	report(ledger_value_hash(&type, value, &hash), "hash", "none");
	return hash;
}

/* What the server's operators call equal has the same hash. */
static void
check_hashes(void)
{
	static const int16 one[] = {1};
	static const int16 tenth[] = {1000};
	LedgerColumnType text = {TEXTOID, 16384, -1, false, 'i'};
	char		padded[VARHDRSZ + 4];
	char		bare[VARHDRSZ + 1];
	uint64		hash;

	report(hash_of(NUMERICOID, -1, 0, make_numeric(true, false, 0, 1, one, 1)) ==
		   hash_of(NUMERICOID, -1, 0, make_numeric(true, false, 0, 2, one, 1)), "hash", "1.0 = 1.00");
	report(hash_of(NUMERICOID, -1, 0, make_numeric(true, false, -1, 1, tenth, 1)) ==
		   hash_of(NUMERICOID, -1, 0, make_numeric(false, false, -1, 200, tenth, 1)), "hash", "long and short numeric");
	report(hash_of(NUMERICOID, -1, 0, make_numeric(true, false, 0, 0, one, 1)) !=
		   hash_of(NUMERICOID, -1, 0, make_numeric(true, true, 0, 0, one, 1)), "hash", "1 <> -1");
	report(hash_of(NUMERICOID, -1, 0, make_numeric(true, false, 0, 0, one, 1)) !=
		   hash_of(NUMERICOID, -1, 0, make_numeric(true, false, 1, 0, one, 1)), "hash", "1 <> 10000");
	report(hash_of(NUMERICOID, -1, 0, make_numeric(true, false, 0, 0, one, 0)) ==
		   hash_of(NUMERICOID, -1, 0, make_numeric(true, false, 0, 5, one, 0)), "hash", "0 = 0.00000");
	report(hash_of(FLOAT8OID, 8, 0, Float8GetDatum(0.0)) ==
		   hash_of(FLOAT8OID, 8, 0, Float8GetDatum(-0.0)), "hash", "0.0 = -0.0");
	report(hash_of(FLOAT8OID, 8, 0, Float8GetDatum(0.5)) ==
		   hash_of(FLOAT4OID, 4, 0, Float4GetDatum(0.5f)), "hash", "float4 = float8");
	report(hash_of(INT2OID, 2, 0, Int16GetDatum(-7)) ==
		   hash_of(INT8OID, 8, 0, Int64GetDatum(-7)), "hash", "int2 = int8");
	SET_VARSIZE(padded, sizeof(padded));
	memcpy(padded + VARHDRSZ, "a   ", 4);
	SET_VARSIZE(bare, sizeof(bare));
	memcpy(bare + VARHDRSZ, "a", 1);
	report(hash_of(BPCHAROID, -1, 100, PointerGetDatum(padded)) ==
		   hash_of(BPCHAROID, -1, 100, PointerGetDatum(bare)), "hash", "blanks of bpchar");
	report(hash_of(TEXTOID, -1, 100, PointerGetDatum(padded)) !=
		   hash_of(TEXTOID, -1, 100, PointerGetDatum(bare)), "hash", "blanks of text");
	report(!ledger_value_hash(&text, PointerGetDatum(bare), &hash), "hash", "unknown collation");
}

static uint64
number_of_numeric(bool short_form, bool negative, int weight, int16 first, int16 fifth)
{
	const int16 digits[] = {first, 0, 0, 0, fifth};
	Datum		value = make_numeric(short_form, negative, weight, 5, digits, first == 0 ? 0 : fifth == 0 ? 1 : 5);

	return ledger_zone_number(NUMERICOID, DatumGetPointer(value) + VARHDRSZ,
							  VARSIZE(DatumGetPointer(value)) - VARHDRSZ, 0);
}

/*
 * Zone maps' numbers of numerics ascend as these do, are the same for numerics that
 * are equal, and of opposite ones equally far from that of 0.
 */
static void
check_numeric_numbers(void)
{
	static const struct
	{
		int			weight;
		int16		first;
		int16		fifth;
		bool		alike;			/* as the one before */
	}			ascending[] = {
		{-16000, 1, 0, true}, {-45, 9999, 0, true}, {-44, 1, 0}, {-44, 1, 9999, true}, {-2, 9999, 0},
		{-1, 1, 0}, {0, 1, 0}, {0, 1, 1, true}, {0, 2, 0}, {0, 9999, 9999}, {1, 1, 0}, {63, 1, 0},
		{64, 1, 0}, {83, 9999, 9999}, {84, 1, 0}, {16383, 9999, 0, true}
	};
	static const uint16 specials[] = {0xF000, 0xD000, 0xC000};	/* -infinity, infinity, NaN */
	uint64		zero = number_of_numeric(true, false, 0, 0, 0);
	uint64		last = zero;
	uint64		numbers[3];

	for (int i = 0; i < lengthof(ascending); i++)
	{
		int			weight = ascending[i].weight;
		uint64		number = number_of_numeric(false, false, weight, ascending[i].first, ascending[i].fifth);
		uint64		opposite = number_of_numeric(false, true, weight, ascending[i].first, ascending[i].fifth);

		report(ascending[i].alike ? number == last : number > last, "zones", "order of numerics");
		report(number - zero == zero - opposite, "zones", "opposite numerics");
		if (weight >= -64 && weight < 64)
			report(number_of_numeric(true, false, weight, ascending[i].first, ascending[i].fifth) == number,
				   "zones", "short and long numerics");
		last = number;
	}
	for (int i = 0; i < 3; i++)
		numbers[i] = ledger_zone_number(NUMERICOID, (const char *) &specials[i], sizeof(specials[i]), 0);
	report(numbers[0] < zero - (last - zero) && last < numbers[1] && numbers[1] < numbers[2], "zones",
		   "numerics that are no numbers");
}

/*
 * Some numbers of a vector into just as much memory as they take, which the
 * address sanitizer watches.
 */
static void
check_integer_ranges(void)
{
	static const int counts[] = {1, 2, 3, 9, 34, 1000};

	for (int pattern = 0; pattern < 7; pattern++)
	{
		uint64		numbers[1000];

		for (int i = 0; i < 1000; i++)
		{
			uint64		r = shim_random();

			numbers[i] = pattern == 0 ? (uint64) i * 1000 :
				pattern == 1 ? (uint64) i * i * 7 + r % 3 :
				pattern == 2 ? (uint64) i * 5 + (r % 50 == 0 ? r >> 20 : 0) :
				pattern == 3 ? (uint64) i / 100 :
				pattern == 4 ? r % 7 * (r >> 8) % 3 :
				pattern == 5 ? r : (uint64) i * 1000 + (r % 90 == 0 ? 1 : 0);
		}
		for (int c = 0; c < (int) lengthof(counts); c++)
		{
			int			n = counts[c];
			StringInfoData out;
			LedgerIntegers ints;
			uint8	   *bytes;

			initStringInfo(&out);
			ledger_integers_write(numbers, n, &out);
			bytes = malloc(out.len + LEDGER_SLACK);
			memcpy(bytes, out.data, out.len);
			memset(bytes + out.len, 0, LEDGER_SLACK);
			report(ledger_integers_open(&ints, n, bytes, bytes + out.len) == bytes + out.len,
				   "integer ranges", "length");
			for (int first = 0; first < n; first += first < 4 ? 1 : 1 + RANDOM_BELOW(300))
			{
				for (int count = 0; count <= n - first; count += count < 4 ? 1 : 1 + RANDOM_BELOW(300))
				{
					uint64	   *values = malloc(Max(count, 1) * sizeof(uint64));

					ledger_integers_read(&ints, first, count, values);
					report(memcmp(values, numbers + first, count * sizeof(uint64)) == 0,
						   "integer ranges", "values");
					free(values);
				}
			}
			/* mostly onwards, with rows left out, and back now and then */
			for (int i = 0, next = 0; i < 200 && n > 0; i++)
			{
				int			onwards = next + (RANDOM_BELOW(2) ? 0 : RANDOM_BELOW(40));
				int			first = RANDOM_BELOW(10) == 0 || onwards >= n ? RANDOM_BELOW(n) : onwards;
				int			most = Min(n - first, 20);
				int			count = RANDOM_BELOW(most + 1);
				uint64		values[20];

				ledger_integers_read(&ints, first, count, values);
				report(memcmp(values, numbers + first, count * sizeof(uint64)) == 0,
					   "integer ranges", "values in turn");
				next = first + count;
			}
			free(bytes);
			shim_free_all();
		}
	}
}

/* A chunk from the future is refused, and says so. */
static void
check_version(void)
{
	Column		column;
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);

	column_make(&column, 6, 1, 0, 100);
	ledger_chunk_encode(&column.input, 0, LEDGER_EFFORT_QUICK, &sink);
	buffer.data[buffer.len - sizeof(LedgerChunkTrailer) + offsetof(LedgerChunkTrailer, version)]++;
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerSource source = shim_source(&buffer);

		ledger_chunk_open(&source, buffer.len, &column.input.type, 100, NULL);
		report(false, "version", "not refused");
	}
	else
		report(strstr(shim_corrupt_detail, "version 2") != NULL, "version", shim_corrupt_detail);
	shim_free_all();
	free(buffer.data);
	column_free(&column);
}

/* A bit an encoding, of names[] above: those that a part's columns must have seen. */
#define DOCUMENT_ENCODINGS	((1 << 7) | (1 << 9))
#define COLUMN_ENCODINGS	(0xFFF & ~DOCUMENT_ENCODINGS)

static void
check_encodings(int seen)
{
	for (int i = 0; i < 12; i++)
	{
		if ((seen & 1 << i) != 0 && encodings[i] == 0)
			report(false, "encodings", "not all were seen");
	}
}

/* Have the checks of reads seen what they are for? */
static void
report_paths(void)
{
	report(reads_seen.paths > 300, "paths", "there are some");
	report(reads_seen.values > 100000, "paths", "they have values");
	report(reads_seen.documents < reads_seen.values / 10, "paths", "few need the document");
	report(reads_seen.path_codes > 10000, "paths", "there are codes");
	report(reads_seen.exists > 10000, "paths", "there are keys");
}

static void
report_reads(void)
{
	char		what[128];

	report(reads_seen.coded > 100, "codes", "there are some");
	report(reads_seen.lines > 20, "templates", "there are some");
	snprintf(what, sizeof(what), "some are told apart (%ld, %ld)", reads_seen.never, reads_seen.always);
	report(reads_seen.never > 200 && reads_seen.always > 1000, "templates", what);
	report(reads_seen.excluded > 100, "codes", "there are vectors without them");
	report(reads_seen.tokens > reads_seen.words && reads_seen.words > 0, "tokens",
		   "there are filters of both kinds");
}

/* What cannot be compressed takes hardly more than its bytes, with its filter. */
static void
check_incompressible(LedgerEffort effort)
{
	enum
	{
		ROWS = 12000,			/* more than a dictionary is for */
		LENGTH = 100
	};
	Datum	   *values = malloc(ROWS * sizeof(Datum));
	bool	   *isnull = calloc(ROWS, sizeof(bool));
	char	   *bytes = malloc(ROWS * (LENGTH + VARHDRSZ));
	LedgerColumnInput input = {0};
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);
	char		what[128];

	for (int i = 0; i < ROWS; i++)
	{
		char	   *value = bytes + i * (LENGTH + VARHDRSZ);

		SET_VARSIZE(value, LENGTH + VARHDRSZ);
		for (int b = 0; b < LENGTH; b++)
			value[VARHDRSZ + b] = (char) shim_random();
		values[i] = PointerGetDatum(value);
	}
	input.type.typid = BYTEAOID;
	input.type.attlen = -1;
	input.type.attalign = 'i';
	input.nrows = ROWS;
	input.values = values;
	input.isnull = isnull;
	ledger_chunk_encode(&input, 0, effort, &sink);
	snprintf(what, sizeof(what), "%zu bytes for %d", buffer.len, ROWS * LENGTH);
	report(buffer.len < ROWS * LENGTH * 1.03, "incompressible", what);
	shim_free_all();
	free(buffer.data);
	free(bytes);
	free(isnull);
	free(values);
}

/* A locator tells all keys' numbers, if their hashes differ. */
static void
check_locators(void)
{
	static const uint32 counts[] = {1, 2, 3, 127, 128, 129, 256, 1000, 10000, 65536};
	static uint64 hashes[65536];
	int			failed = 0;
	int			made = 0;

	for (int k = 0; k < 20 * (int) lengthof(counts); k++)
	{
		uint32		n = counts[k % lengthof(counts)];
		int			shift = RANDOM_BELOW(2) ? 7 : 0;
		int			width = (n - 1) >> shift == 0 ? 1 : 1 + pg_leftmost_one_pos32((n - 1) >> shift);
		uint8	   *locator;

		for (uint32 i = 0; i < n; i++)
			hashes[i] = shim_random();
		locator = ledger_locator_make(hashes, n, shift, width);
		made += locator != NULL;
		for (uint32 i = 0; locator != NULL && i < n; i++)
			failed += ledger_locator_find(locator, n, width, hashes[i]) != i >> shift;
		if (n > 1)
		{
			hashes[RANDOM_BELOW(n - 1)] = hashes[n - 1];
			failed += ledger_locator_make(hashes, n, shift, width) != NULL;
		}
		shim_free_all();
	}
	report(failed == 0, "locators", "keys are where they should be, and equal hashes are refused");
	report(made > 19 * (int) lengthof(counts), "locators", "they are made");
}

/* Who looks a value up in a large dictionary does not read all of it. */
static void
check_locator(bool templated)
{
	enum
	{
		ROWS = 30000,
		DISTINCT = 10000,
		LENGTH = 64
	};
	Datum	   *values = malloc(ROWS * sizeof(Datum));
	bool	   *isnull = calloc(ROWS, sizeof(bool));
	char	   *bytes = malloc(DISTINCT * (LENGTH + VARHDRSZ));
	LedgerColumnInput input = {{TEXTOID, 100, -1, false, 'i'}, ROWS, values, isnull, NULL};
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);
	LedgerSource source = shim_source(&buffer);
	volatile int found = 0;
	volatile size_t most = 0;
	char		what[128];

	for (int i = 0; i < DISTINCT; i++)
	{
		char	   *value = bytes + i * (LENGTH + VARHDRSZ);
		int			len = templated ? LENGTH : LENGTH - i % 7;

		for (int b = 0; b < len; b++)
			value[VARHDRSZ + b] = templated ? "0123456789abcdef"[RANDOM_BELOW(16)] :
				(char) ('a' + RANDOM_BELOW(26));
		SET_VARSIZE(value, len + VARHDRSZ);
		/* three times each, not far from each other */
		for (int k = 0; k < 3; k++)
			values[i / 50 * 150 + k * 50 + i % 50] = PointerGetDatum(value);
	}
	ledger_chunk_encode(&input, 0, LEDGER_EFFORT_THOROUGH, &sink);
	shim_free_all();
	for (int k = 0; k < 200 && setjmp(shim_corrupt_jump) == 0; k++)
	{
		LedgerChunk *chunk = ledger_chunk_open(&source, buffer.len, &input.type, ROWS, NULL);
		LedgerBytes value = ledger_datum_bytes(&input.type, values[RANDOM_BELOW(ROWS)]);
		uint32		code;

		buffer.bytes_read = 0;
		found += chunk->encoding == LEDGER_ENC_DICTIONARY &&
			ledger_chunk_find_code(chunk, value.data, value.len, &code);
		most = Max(most, buffer.bytes_read);
		shim_free_all();
	}
	report(found == 200, "locator", "every value is found");
	snprintf(what, sizeof(what), "%zu bytes are read of %zu", (size_t) most, buffer.len);
	report(most > 0 && most < buffer.len / 4, "locator", what);
	free(buffer.data);
	free(bytes);
	free(isnull);
	free(values);
}

/* A sub-column may have more values, and distinct ones, than a segment has rows. */
static void
check_many_distinct(void)
{
	enum
	{
		ROWS = 1700000
	};
	Datum	   *values = malloc(ROWS * sizeof(Datum));
	bool	   *isnull = calloc(ROWS, sizeof(bool));
	LedgerColumnInput input = {{INT8OID, InvalidOid, sizeof(int64), true, 'd'}, ROWS, values, isnull, NULL};
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);

	for (int i = 0; i < ROWS; i++)
		values[i] = (Datum) ((uint64) i * UINT64CONST(0x9E3779B97F4A7C15) >> 16);
	ledger_chunk_encode(&input, 0, LEDGER_EFFORT_QUICK, &sink);
	shim_free_all();
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerSource source = shim_source(&buffer);
		LedgerChunk *chunk = ledger_chunk_open(&source, buffer.len, &input.type, ROWS, NULL);
		int			last = ROWS - ROWS % LEDGER_VECTOR_ROWS;

		report(range_same(chunk, &input, 0, last, ROWS - last), "many distinct", "last vector");
		report(filter_right(chunk, &input), "many distinct", "filter");
	}
	else
		report(false, "many distinct", shim_corrupt_detail);
	shim_free_all();
	free(buffer.data);
	free(isnull);
	free(values);
}

/* Texts of phrases that all come again, but not soon: larger blocks and seeds pay. */
static void
check_far_repeats(void)
{
	enum
	{
		ROWS = 6000,
		PHRASE = 40,
		PHRASES = 10,
		KINDS = 700
	};
	Datum	   *values = malloc(ROWS * sizeof(Datum));
	bool	   *isnull = calloc(ROWS, sizeof(bool));
	LedgerColumnInput input = {{TEXTOID, InvalidOid, -1, false, 'i'}, ROWS, values, isnull, NULL};
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);
	char	   *phrases = malloc(KINDS * PHRASE);

	for (int i = 0; i < KINDS * PHRASE; i++)
		phrases[i] = '!' + RANDOM_BELOW(90);
	for (int i = 0; i < ROWS; i++)
	{
		char	   *value = malloc(PHRASES * PHRASE + VARHDRSZ);

		SET_VARSIZE(value, PHRASES * PHRASE + VARHDRSZ);
		for (int k = 0; k < PHRASES; k++)
			memcpy(value + VARHDRSZ + k * PHRASE, phrases + RANDOM_BELOW(KINDS) * PHRASE, PHRASE);
		values[i] = PointerGetDatum(value);
	}
	ledger_chunk_encode(&input, 0, LEDGER_EFFORT_THOROUGH, &sink);
	shim_free_all();
	/* 28 %; with blocks and a seed that do not reach so far, 63 % */
	report(buffer.len < ROWS * PHRASES * PHRASE / 5 * 2, "far repeats", "size");
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerSource source = shim_source(&buffer);
		LedgerChunk *chunk = ledger_chunk_open(&source, buffer.len, &input.type, ROWS, NULL);

		report(strcmp(ledger_chunk_encoding(chunk), "lz4") == 0, "far repeats", "encoding");
		report(all_vectors_same(chunk, &input, 0), "far repeats", "vectors");
	}
	else
		report(false, "far repeats", shim_corrupt_detail);
	shim_free_all();
	for (int i = 0; i < ROWS; i++)
		free(DatumGetPointer(values[i]));
	free(phrases);
	free(buffer.data);
	free(isnull);
	free(values);
}

/* A catalog whose keys repeat each other: zstd makes much less of it than LZ4 can. */
static void
check_repeating_catalog(LedgerCompression compression)
{
	enum
	{
		ROWS = 640,
		KINDS = 80,
		KEY = 8000
	};
	LedgerEncodeOptions options = {LEDGER_EFFORT_THOROUGH, compression};
	Datum	   *values = malloc(ROWS * sizeof(Datum));
	bool	   *isnull = calloc(ROWS, sizeof(bool));
	LedgerColumnInput input = {{JSONBOID, InvalidOid, -1, false, 'i'}, ROWS, values, isnull, NULL};
	ShimBuffer	buffer = {0};
	LedgerSink	sink = shim_sink(&buffer);
	char	   *text = malloc(KEY + 100);
	char	   *made = malloc(8 * (KEY + 100) + 64);

	for (int i = 0; i < ROWS; i++)
	{
		Size		len;
		char	   *value;

		memset(text, 'k', KEY + 2);
		text[0] = '{';
		text[1] = '"';
		snprintf(text + KEY + 2, 98, "\":%d,\"n%d\":1}", RANDOM_BELOW(1000000), i % KINDS);
		len = json_make(text, made);
		value = malloc(len + VARHDRSZ);
		SET_VARSIZE(value, len + VARHDRSZ);
		memcpy(VARDATA(value), made, len);
		values[i] = PointerGetDatum(value);
	}
	ledger_chunk_encode_with(&input, 0, &options, &sink);
	shim_free_all();
	if (setjmp(shim_corrupt_jump) == 0)
	{
		LedgerSource source = shim_source(&buffer);
		LedgerChunk *chunk = ledger_chunk_open(&source, buffer.len, &input.type, ROWS, NULL);

		report(strcmp(ledger_chunk_encoding(chunk), "shredded") == 0, "catalog", "encoding");
		report(all_vectors_same(chunk, &input, 0), "catalog", "vectors");
	}
	else
		report(false, "catalog", shim_corrupt_detail);
	shim_free_all();
	for (int i = 0; i < ROWS; i++)
		free(DatumGetPointer(values[i]));
	free(buffer.data);
	free(isnull);
	free(values);
	free(text);
	free(made);
}

/*
 * Runs whose values are runs, and so on, are no vector, however deep: nobody may
 * follow them down to the end of the stack.
 */
static void
check_nested_runs(void)
{
	enum
	{
		LEVELS = 300000,
		LEVEL_BYTES = 6			/* RUNS, number of runs, length of the values */
	};
	int			len = LEVELS * LEVEL_BYTES;
	uint8	   *bytes = calloc(1, len + LEDGER_SLACK);
	LedgerIntegers ints;

	for (int at = 0; at < len; at += LEVEL_BYTES)
	{
		uint32		rest = len - at - LEVEL_BYTES;

		bytes[at] = 0x10;
		bytes[at + 1] = 1;
		for (int i = 0; i < 4; i++)
			bytes[at + 2 + i] = ((rest >> 7 * i) & 0x7F) | (i < 3 ? 0x80 : 0);
	}
	report(ledger_integers_open(&ints, 2, bytes, bytes + len) == NULL, "nested runs", "refused");
	free(bytes);
}

static void
test_documents(void)
{
	check_integer_ranges();
	check_nested_runs();
	check_json();
	check_subcolumns();
	report_paths();
	check_version();
	check_hashes();
	check_numeric_numbers();
	check_references();
	check_huge_value(LEDGER_EFFORT_QUICK, 150);
	check_huge_value(LEDGER_EFFORT_THOROUGH, 600);
	check_incompressible(LEDGER_EFFORT_QUICK);
	check_incompressible(LEDGER_EFFORT_THOROUGH);
	check_many_distinct();
	check_locators();
	check_locator(false);
	check_locator(true);
	check_far_repeats();
	check_repeating_catalog(LEDGER_COMPRESSION_LZ4);
	check_repeating_catalog(LEDGER_COMPRESSION_ZSTD);
	check_encodings(DOCUMENT_ENCODINGS);
}

static void
test_columns(void)
{
	check_single_columns();
	check_full_segments();
	check_encodings(COLUMN_ENCODINGS);
	report(filters > 100, "filters", "there are some");
	report_reads();
}

/* test_codec [seed [part]]: the parts can be run beside each other. */
int
main(int argc, char **argv)
{
	const char *part = argc > 2 ? argv[2] : "all";

	shim_seed(argc > 1 ? strtoull(argv[1], NULL, 10) : 1);
	if (strcmp(part, "columns") != 0)
		test_documents();
	if (strcmp(part, "documents") != 0)
		test_columns();
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
