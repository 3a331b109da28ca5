/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Store batches of entries as a client would: with prepared statements and
 *	  text parameters, from several connections at once.
 *
 * usage: batch [-l LATENCIES] [-1|-t|-w] FORM TABLE FILE BATCH CLIENTS SECONDS
 *
 * FORM:	values	INSERT INTO t VALUES ($1, ...), ...: a parameter a field
 *			unnest	INSERT INTO t SELECT * FROM unnest($1, ...): an array a column
 *			append_rows		ledger.append(t, ARRAY[ROW($1, ...), ...])
 *			append_row		ledger.append(t, ROW($1, ...)), of one entry
 *			append_array	ledger.append(t, $1::t[])
 *			append_ndjson	ledger.append_ndjson(t, $1)
 *			append_json		ledger.append_json(t, $1)
 *			populate		INSERT INTO t SELECT * FROM jsonb_populate_recordset(NULL::t, $1)
 *			..._skip		of values and append...: what conflicts is left out
 * FILE:	entries as gen_entries makes them, in batches of BATCH consecutive lines;
 *			each connection picks batches at random, for SECONDS
 * -1:		each batch is sent once, in the file's order, each by the next
 *			connection; no seconds count
 * -t:		each batch is sent by all the connections at the same time, in the
 *			file's order; no seconds count
 * -w:		before the clock starts, each connection sends all batches once
 * -l:		LATENCIES gets a line a batch: the connection, and how long it took in
 *			microseconds.  A connection's first one counts its preparation too.
 *			With -w, of the batches before the clock starts as well.
 *
 * Parameters are made before the clock starts.  Prints entries per second.
 * With SECONDS 0, each connection sends one batch.  The connection comes from
 * libpq's environment variables.
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
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

typedef enum Order
{
	ORDER_RANDOM,
	ORDER_ONCE,
	ORDER_TOGETHER,
	ORDER_WARM					/* random, after each batch has been sent once */
} Order;

/* What all connections do */
typedef struct Job
{
	Order		order;
	const char *sql;
	char	 ***params;
	int			nbatches;
	int			nparams;
	int			clients;
	double		seconds;
	int			latencies;		/* file, or -1 */
} Job;

/* What the processes share */
typedef struct Shared
{
	pthread_barrier_t barrier;
	double		start;			/* of the clock */
	double		end;			/* when the last connection was done */
	uint64_t	batches;		/* sent meanwhile */
} Shared;

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
statement(const char *form, int skip, const char *table, int batch)
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
		add(&b, insert ? "" : array ? "]" : "");
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
		add(&b, array ? "[]" : "");
	}
	else if (strcmp(form, "append_json") == 0)
	{
		add(&b, "SELECT ledger.append_json('");
		add(&b, table);
		add(&b, "', $1::jsonb");
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
	if (strncmp(form, "append", 6) == 0)
		add(&b, skip ? ", 'skip')" : ")");
	else if (skip)
		add(&b, " ON CONFLICT DO NOTHING");
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

/* Send a batch; how long that took is noted, from "start" on. */
static void
send_batch(PGconn *conn, const Job *job, int number, int batch, double start)
{
	PGresult   *result = PQexecPrepared(conn, "store", job->nparams,
										(const char *const *) job->params[batch], NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(job->sql, PQerrorMessage(conn));
	PQclear(result);
	if (job->latencies >= 0)
		dprintf(job->latencies, "%d %.0f\n", number, (now() - start) * 1e6);
}

/* One connection's work */
static void
client(const Job *job, Shared *shared, int number)
{
	PGconn	   *conn = PQconnectdb("");
	PGresult   *result;
	uint64_t	done = 0;
	unsigned	seed = (unsigned) number + 1;
	double		before;

	if (PQstatus(conn) != CONNECTION_OK)
		fail("connection", PQerrorMessage(conn));
	before = now();
	result = PQprepare(conn, "store", job->sql, 0, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(job->sql, PQerrorMessage(conn));
	PQclear(result);
	before = now() - before;	/* the preparation */
	for (int i = 0; job->order == ORDER_WARM && i < job->nbatches; i++)
	{
		send_batch(conn, job, number, i, now() - before);
		before = 0;
	}

	if (pthread_barrier_wait(&shared->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		shared->start = now();
	pthread_barrier_wait(&shared->barrier);
	if (job->order == ORDER_ONCE)
	{
		for (int i = number; i < job->nbatches; i += job->clients, done++)
		{
			send_batch(conn, job, number, i, now() - before);
			before = 0;
		}
	}
	else if (job->order == ORDER_TOGETHER)
	{
		for (int i = 0; i < job->nbatches; i++, done++)
		{
			pthread_barrier_wait(&shared->barrier);
			send_batch(conn, job, number, i, now() - before);
			before = 0;
		}
	}
	else
	{
		do
		{
			send_batch(conn, job, number, (int) (rand_r(&seed) % (unsigned) job->nbatches), now() - before);
			before = 0;
			done++;
		} while (now() < shared->start + job->seconds);
	}
	__atomic_fetch_add(&shared->batches, done, __ATOMIC_SEQ_CST);
	if (pthread_barrier_wait(&shared->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		shared->end = now();
	PQfinish(conn);
}

/* The parameters of the batches of a file */
static void
read_batches(Job *job, const char *form, const char *name, int batch)
{
	FILE	   *file = fopen(name, "r");
	char	   *line = NULL;
	size_t		size = 0;
	char	  **fields = NULL;
	int			row = 0;

	if (file == NULL)
		fail(name, "cannot be read");

	/* this data needs no unescaping */
	while (job->nbatches * batch < MAX_ENTRIES && getline(&line, &size, file) > 0)
	{
		char	   *rest = line;

		if (row == 0)
			fields = checked(calloc((size_t) batch * NCOLUMNS, sizeof(char *)));
		line[strcspn(line, "\n")] = '\0';
		for (int c = 0; c < NCOLUMNS; c++)
		{
			char	   *f = strsep(&rest, "\t");

			if (f == NULL)
				fail(name, "too few fields");
			fields[row * NCOLUMNS + c] = strcmp(f, "\\N") == 0 ? NULL : checked(strdup(f));
		}
		if (++row == batch)
		{
			job->params = checked(realloc(job->params, (size_t) (job->nbatches + 1) * sizeof(char **)));
			job->params[job->nbatches++] = parameters(form, fields, batch, &job->nparams);
			row = 0;
		}
	}
	if (job->nbatches == 0)
		fail(name, "fewer rows than a batch");
	fclose(file);
}

static Shared *
make_shared(int clients)
{
	pthread_barrierattr_t attr;
	Shared	   *shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE,
							  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		fail("memory", "out of it");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (pthread_barrier_init(&shared->barrier, &attr, (unsigned) clients) != 0)
		fail("barrier", "cannot be made");
	return shared;
}

/* A process a connection.  If one fails, those that wait for it are ended. */
static void
run_clients(const Job *job, Shared *shared)
{
	pid_t	   *pids = checked(calloc((size_t) job->clients, sizeof(pid_t)));

	for (int i = 0; i < job->clients; i++)
	{
		pids[i] = fork();
		if (pids[i] < 0)
			fail("fork", "failed");
		if (pids[i] == 0)
		{
			client(job, shared, i);
			_exit(0);
		}
	}
	for (int i = 0; i < job->clients; i++)
	{
		int			status;
		pid_t		ended = wait(&status);

		for (int j = 0; j < job->clients; j++)
		{
			if (pids[j] == ended)
				pids[j] = 0;
			else if (status != 0 && pids[j] != 0)
				kill(pids[j], SIGTERM);
		}
		if (status != 0)
			fail("client", "failed");
	}
	free(pids);
}

int
main(int argc, char **argv)
{
	Job			job = {.order = ORDER_RANDOM,.latencies = -1};
	Shared	   *shared;
	char	   *form;
	char	   *suffix;
	int			batch;
	int			option;

	while ((option = getopt(argc, argv, "l:1tw")) != -1)
	{
		switch (option)
		{
			case 'l':
				job.latencies = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
				if (job.latencies < 0)
					fail(optarg, "cannot be written");
				break;
			case '1':
				job.order = ORDER_ONCE;
				break;
			case 't':
				job.order = ORDER_TOGETHER;
				break;
			case 'w':
				job.order = ORDER_WARM;
				break;
			default:
				exit(1);
		}
	}
	argv += optind;
	if (argc - optind != 6)
		fail("usage", "batch [-l LATENCIES] [-1|-t|-w] FORM TABLE FILE BATCH CLIENTS SECONDS");
	form = argv[0];
	batch = atoi(argv[3]);
	job.clients = atoi(argv[4]);
	job.seconds = atof(argv[5]);
	if (batch < 1 || job.clients < 1)
		fail("usage", "BATCH or CLIENTS is no number");
	suffix = strstr(form, "_skip");
	if (suffix)
		*suffix = '\0';

	read_batches(&job, form, argv[2], batch);
	job.sql = statement(form, suffix != NULL, argv[1], batch);
	shared = make_shared(job.clients);
	run_clients(&job, shared);
	printf("%.0f\n", (double) shared->batches * batch / (shared->end - shared->start));
	return 0;
}
