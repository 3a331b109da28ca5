/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Store batches of entries as a client would: with prepared statements and
 *	  text parameters, from several connections at once.
 *
 * usage: batch FORM TABLE FILE BATCH CLIENTS SECONDS
 *
 * FORM:	values	INSERT INTO t VALUES ($1, ...), ...: a parameter a field
 *			unnest	INSERT INTO t SELECT * FROM unnest($1, ...): an array a column
 *			append_rows		ledger.append(t, ARRAY[ROW($1, ...), ...])
 *			append_row		ledger.append(t, ROW($1, ...)), of one entry
 *			append_array	ledger.append(t, $1::t[])
 *			append_ndjson	ledger.append_ndjson(t, $1)
 *			append_json		ledger.append_json(t, $1)
 *			populate		INSERT INTO t SELECT * FROM jsonb_populate_recordset(NULL::t, $1)
 * FILE:	entries as gen_entries makes them; each connection picks batches of
 *			BATCH consecutive lines at random
 *
 * Parameters are made before the clock starts.  Prints entries per second.
 * The connection comes from libpq's environment variables.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define NCOLUMNS 10

/* Entries kept ready */
#define MAX_ENTRIES 100000

static const char *const names[NCOLUMNS] = {
	"app_id", "ledger", "entry_id", "ts", "type",
	"trace_id", "thread_id", "user_id", "request_id", "data"
};
static const char *const types[NCOLUMNS] = {
	"text", "text", "text", "timestamptz", "text",
	"text", "text", "text", "text", "jsonb"
};

typedef struct Buffer
{
	char	   *data;
	size_t		used;
	size_t		size;
} Buffer;

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "batch: %s: %s\n", what, why);
	exit(1);
}

static void *
checked(void *p)
{
	if (p == NULL)
		fail("memory", "out of it");
	return p;
}

static void
add_char(Buffer *b, char c)
{
	if (b->used + 1 >= b->size)
	{
		b->size = b->size ? b->size * 2 : 256;
		b->data = checked(realloc(b->data, b->size));
	}
	b->data[b->used++] = c;
	b->data[b->used] = '\0';
}

static void
add(Buffer *b, const char *s)
{
	while (*s)
		add_char(b, *s++);
}

/* with a backslash before each quote and backslash, as arrays, rows and JSON take it */
static void
add_quoted(Buffer *b, const char *s)
{
	add_char(b, '"');
	for (; *s; s++)
	{
		if (*s == '"' || *s == '\\')
			add_char(b, '\\');
		add_char(b, *s);
	}
	add_char(b, '"');
}

/* The statement of a form */
static char *
statement(const char *form, const char *table, int batch)
{
	Buffer		b = {0};
	char		s[64];

	if (strcmp(form, "values") == 0 || strcmp(form, "append_rows") == 0 ||
		strcmp(form, "append_row") == 0)
	{
		int			insert = form[0] == 'v';
		int			array = strcmp(form, "append_rows") == 0;

		add(&b, insert ? "INSERT INTO " : "SELECT ledger.append('");
		add(&b, table);
		add(&b, insert ? " VALUES " : array ? "', ARRAY[" : "', ");
		for (int row = 0; row < batch; row++)
		{
			add(&b, row ? "," : "");
			add(&b, insert ? "(" : "ROW(");
			for (int c = 0; c < NCOLUMNS; c++)
			{
				snprintf(s, sizeof(s), "%s$%d%s%s", c ? "," : "", row * NCOLUMNS + c + 1,
						 insert ? "" : "::", insert ? "" : types[c]);
				add(&b, s);
			}
			add(&b, ")");
		}
		add(&b, insert ? "" : array ? "])" : ")");
	}
	else if (strcmp(form, "unnest") == 0)
	{
		add(&b, "INSERT INTO ");
		add(&b, table);
		add(&b, " SELECT * FROM unnest(");
		for (int c = 0; c < NCOLUMNS; c++)
		{
			snprintf(s, sizeof(s), "%s$%d::%s[]", c ? "," : "", c + 1, types[c]);
			add(&b, s);
		}
		add(&b, ")");
	}
	else if (strcmp(form, "append_array") == 0 || strcmp(form, "append_ndjson") == 0)
	{
		int			array = strcmp(form, "append_array") == 0;

		add(&b, array ? "SELECT ledger.append('" : "SELECT ledger.append_ndjson('");
		add(&b, table);
		add(&b, "', $1::");
		add(&b, array ? table : "text");
		add(&b, array ? "[])" : ")");
	}
	else if (strcmp(form, "append_json") == 0)
	{
		add(&b, "SELECT ledger.append_json('");
		add(&b, table);
		add(&b, "', $1::jsonb)");
	}
	else if (strcmp(form, "populate") == 0)
	{
		add(&b, "INSERT INTO ");
		add(&b, table);
		add(&b, " SELECT * FROM jsonb_populate_recordset(NULL::");
		add(&b, table);
		add(&b, ", $1::jsonb)");
	}
	else
		fail(form, "no such form");
	return b.data;
}

/* The parameters of a batch of rows (fields[row * NCOLUMNS + column]) */
static char **
parameters(const char *form, char **fields, int batch, int *n)
{
	char	  **params;

	if (strcmp(form, "values") == 0 || strcmp(form, "append_rows") == 0 ||
		strcmp(form, "append_row") == 0)
	{
		*n = batch * NCOLUMNS;
		return fields;
	}
	if (strcmp(form, "unnest") == 0)
	{
		*n = NCOLUMNS;
		params = checked(calloc(NCOLUMNS, sizeof(char *)));
		for (int c = 0; c < NCOLUMNS; c++)
		{
			Buffer		b = {0};

			for (int row = 0; row < batch; row++)
			{
				char	   *f = fields[row * NCOLUMNS + c];

				add_char(&b, row ? ',' : '{');
				if (f)
					add_quoted(&b, f);
				else
					add(&b, "NULL");
			}
			add_char(&b, '}');
			params[c] = b.data;
		}
		return params;
	}
	else
	{
		int			array = strcmp(form, "append_array") == 0;
		int			lines = strcmp(form, "append_ndjson") == 0;
		Buffer		b = {0};

		*n = 1;
		add(&b, array ? "{" : lines ? "" : "[");
		for (int row = 0; row < batch; row++)
		{
			Buffer		e = {0};

			for (int c = 0; c < NCOLUMNS; c++)
			{
				char	   *f = fields[row * NCOLUMNS + c];

				if (array)
				{
					add_char(&e, c ? ',' : '(');
					if (f)
						add_quoted(&e, f);
				}
				else if (f)
				{
					add_char(&e, c ? ',' : '{');
					add_quoted(&e, names[c]);
					add_char(&e, ':');
					if (strcmp(types[c], "jsonb") == 0)
						add(&e, f);
					else
						add_quoted(&e, f);
				}
			}
			add_char(&e, array ? ')' : '}');
			if (array)
			{
				add(&b, row ? "," : "");
				add_quoted(&b, e.data);
			}
			else
			{
				add(&b, row && !lines ? "," : "");
				add(&b, e.data);
				add(&b, lines ? "\n" : "");
			}
			free(e.data);
		}
		add(&b, array ? "}" : lines ? "" : "]");
		params = checked(malloc(sizeof(char *)));
		params[0] = b.data;
		return params;
	}
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* One connection's work: batches stored */
static uint64_t
client(const char *sql, char ***params, int nbatches, int nparams, double seconds, unsigned seed)
{
	PGconn	   *conn = PQconnectdb("");
	PGresult   *result;
	uint64_t	done = 0;
	double		end;

	if (PQstatus(conn) != CONNECTION_OK)
		fail("connection", PQerrorMessage(conn));
	result = PQprepare(conn, "store", sql, 0, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(sql, PQerrorMessage(conn));
	PQclear(result);
	for (end = now() + seconds; now() < end; done++)
	{
		char	  **p = params[rand_r(&seed) % (unsigned) nbatches];

		result = PQexecPrepared(conn, "store", nparams, (const char *const *) p, NULL, NULL, 0);
		if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
			fail(sql, PQerrorMessage(conn));
		PQclear(result);
	}
	PQfinish(conn);
	return done;
}

int
main(int argc, char **argv)
{
	FILE	   *file;
	char	   *line = NULL;
	size_t		size = 0;
	int			batch,
				clients,
				nbatches = 0,
				nparams = 0,
				row = 0;
	double		seconds;
	char	 ***params = NULL;
	char	  **fields = NULL;
	uint64_t   *done;
	uint64_t	total = 0;

	if (argc != 7)
		fail("usage", "batch FORM TABLE FILE BATCH CLIENTS SECONDS");
	batch = atoi(argv[4]);
	clients = atoi(argv[5]);
	seconds = atof(argv[6]);
	file = fopen(argv[3], "r");
	if (file == NULL || batch < 1 || clients < 1)
		fail(argv[3], "cannot be read, or BATCH or CLIENTS is no number");

	/* this data needs no unescaping */
	while (nbatches * batch < MAX_ENTRIES && getline(&line, &size, file) > 0)
	{
		char	   *rest = line;

		if (row == 0)
			fields = checked(calloc((size_t) batch * NCOLUMNS, sizeof(char *)));
		line[strcspn(line, "\n")] = '\0';
		for (int c = 0; c < NCOLUMNS; c++)
		{
			char	   *f = strsep(&rest, "\t");

			if (f == NULL)
				fail(argv[3], "too few fields");
			fields[row * NCOLUMNS + c] = strcmp(f, "\\N") == 0 ? NULL : checked(strdup(f));
		}
		if (++row == batch)
		{
			params = checked(realloc(params, (size_t) (nbatches + 1) * sizeof(char **)));
			params[nbatches++] = parameters(argv[1], fields, batch, &nparams);
			row = 0;
		}
	}
	if (nbatches == 0)
		fail(argv[3], "fewer rows than a batch");

	done = mmap(NULL, (size_t) clients * sizeof(uint64_t), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (done == MAP_FAILED)
		fail("memory", "out of it");
	for (int i = 0; i < clients; i++)
	{
		pid_t		pid = fork();

		if (pid < 0)
			fail("fork", "failed");
		if (pid == 0)
		{
			done[i] = client(statement(argv[1], argv[2], batch), params, nbatches, nparams,
							 seconds, (unsigned) i + 1);
			_exit(0);
		}
	}
	for (int i = 0; i < clients; i++)
	{
		int			status;

		if (wait(&status) < 0 || status != 0)
			fail("client", "failed");
	}
	for (int i = 0; i < clients; i++)
		total += done[i];
	printf("%.0f\n", (double) total * batch / seconds);
	return 0;
}
