/*-------------------------------------------------------------------------
 *
 * gen_entries.c
 *	  Make bot-platform entries in COPY text format, in order of arrival.
 *
 * usage: gen_entries ROWS [SEED] [--rate TRACES_PER_S] [--jitter S] [--late SHARE]
 *
 * columns: app_id ledger entry_id ts type trace_id thread_id user_id
 *			request_id data(jsonb)
 * rate:	new traces a second, about 7 entries each (default 40; at 4000 a
 *			trace's entries lie thousands of rows apart)
 * jitter:	an entry arrives up to this many seconds after its ts (default 0)
 * late:	this share arrives minutes to hours after its ts (default 0)
 *
 * The same arguments give the same bytes, from the same compiler and C library.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAPPS		400
#define LINE_MAX_BYTES	4096
#define START		1788825600.0	/* 2026-09-08 00:00:00 UTC */
#define lengthof(a)	((int) (sizeof(a) / sizeof((a)[0])))

/* xoshiro256** */
typedef struct Random
{
	uint64_t	s[4];
} Random;

typedef struct Thread
{
	char		thread[35];
	char		user[35];
	char		integration[32];
} Thread;

/* The newest threads of an app: a ring. */
typedef struct App
{
	char		id[29];
	Thread	   *threads;
	int			first;
	int			count;
} App;

typedef struct Pending
{
	double		arrival;
	uint64_t	seq;
	char	   *line;
} Pending;

/* What the entries of one trace share. */
typedef struct Trace
{
	const App  *app;
	const Thread *thread;
	char		trace[36];
	char		request[43];
	double		ts;
	char		parent[96];		/* the previous entry, as JSON */
} Trace;

static const char *const say[] = {
	"Hi there! How can I help you today?", "What is your order number?",
	"Thanks, let me look that up for you.", "I'm transferring you to an agent now.",
	"Sorry, I didn't understand that. Could you rephrase?",
	"Is there anything else I can help with?",
	"Your order has shipped and should arrive in 3-5 business days.",
	"Please choose one of the options below:"
};
static const char *const words[] = {
	"order", "refund", "shipping", "delayed", "account", "password", "reset", "billing",
	"invoice", "agent", "help", "please", "today", "tomorrow", "when", "where", "how",
	"status", "cancel", "return", "exchange", "broken", "missing", "charged", "twice",
	"card", "email", "phone", "update", "address", "login", "error", "website", "app", "slow"
};
static const char *const components[] = {
	"component.say", "component.ask", "component.http_request", "component.set",
	"component.if", "component.transfer", "component.intent"
};
static const char *const hosts[] = {
	"api.zendesk.com", "dialogflow.googleapis.com", "hooks.slack.com",
	"api.segment.io", "graph.facebook.com", "orders.example-retail.com"
};
static const char *const integrations[] = {"orb", "zendesk", "slack", "messenger"};
static const char *const platforms[] = {"web", "ios", "android"};
static const char *const locales[] = {"en-US", "en-CA", "fr-CA", "es-MX"};
static const char *const methods[] = {"GET", "POST"};
static const char *const outcomes[] = {"timeout after", "completed in", "failed after"};
static const char *const levels[] = {"INFO", "WARNING", "ERROR"};
static const double level_weights[] = {70, 20, 10};
static const int statuses[] = {200, 201, 404, 429, 500, 503};
static const double status_weights[] = {80, 8, 4, 3, 3, 2};

static Random rng;				/* what the entries say */
static Random arrival_rng;		/* when they arrive */
static App	apps[NAPPS];
static double app_weights[NAPPS];
static int	max_threads;

static double rate = 40.0;
static double jitter = 0.0;
static double late = 0.0;

static Pending *heap;
static size_t heap_count;
static size_t heap_size;
static uint64_t next_seq;

static void *
checked(void *p)
{
	if (p == NULL)
	{
		fprintf(stderr, "gen_entries: out of memory\n");
		exit(1);
	}
	return p;
}

/*
 * Random numbers
 */

static uint64_t
rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static uint64_t
next(Random *r)
{
	uint64_t	result = rotl(r->s[1] * 5, 7) * 9;
	uint64_t	t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotl(r->s[3], 45);
	return result;
}

/* splitmix64, as xoshiro's authors advise */
static void
seed_random(Random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
	{
		uint64_t	z = (seed += UINT64_C(0x9e3779b97f4a7c15));

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		r->s[i] = z ^ (z >> 31);
	}
}

/* in [0, 1) */
static double
uniform01(Random *r)
{
	return (double) (next(r) >> 11) * 0x1.0p-53;
}

static double
uniform(Random *r, double low, double high)
{
	return low + (high - low) * uniform01(r);
}

/* in [low, high) */
static int
range(int low, int high)
{
	return low + (int) (uniform01(&rng) * (high - low));
}

static double
exponential(double lambda)
{
	return -log(1.0 - uniform01(&rng)) / lambda;
}

static double
lognormal(double mu, double sigma)
{
	double		u = 1.0 - uniform01(&rng);
	double		v = uniform01(&rng);

	return exp(mu + sigma * sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v));
}

/* an index, by weight */
static int
weighted(const double *weights, int n)
{
	double		total = 0;
	double		at;

	for (int i = 0; i < n; i++)
		total += weights[i];
	at = uniform01(&rng) * total;
	for (int i = 0; i < n - 1; i++)
	{
		at -= weights[i];
		if (at < 0)
			return i;
	}
	return n - 1;
}

#define pick(a) ((a)[range(0, lengthof(a))])

/* digits hexadecimal digits after a prefix */
static void
hex_id(char *to, const char *prefix, int digits)
{
	size_t		n = strlen(prefix);
	uint64_t	bits = 0;

	memcpy(to, prefix, n);
	for (int i = 0; i < digits; i++)
	{
		if (i % 16 == 0)
			bits = next(&rng);
		to[n + i] = "0123456789abcdef"[bits & 15];
		bits >>= 4;
	}
	to[n + digits] = '\0';
}

/* A number as JSON: at most `places` decimals, at least one. */
static const char *
decimal(char *to, size_t size, double value, int places)
{
	size_t		n = (size_t) snprintf(to, size, "%.*f", places, value);

	while (n > 2 && to[n - 1] == '0' && to[n - 2] != '.')
		to[--n] = '\0';
	return to;
}

/*
 * Entries that have not arrived yet: a binary heap by arrival
 */

static int
before(const Pending *a, const Pending *b)
{
	return a->arrival < b->arrival || (a->arrival == b->arrival && a->seq < b->seq);
}

static void
push(double arrival, char *line)
{
	size_t		i;
	Pending		p = {arrival, next_seq++, line};

	if (heap_count == heap_size)
	{
		heap_size = heap_size ? heap_size * 2 : 1024;
		heap = checked(realloc(heap, heap_size * sizeof(Pending)));
	}
	for (i = heap_count++; i > 0 && before(&p, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = p;
}

static char *
pop(void)
{
	char	   *line = heap[0].line;
	Pending		last = heap[--heap_count];
	size_t		i = 0;

	for (;;)
	{
		size_t		child = 2 * i + 1;

		if (child >= heap_count)
			break;
		if (child + 1 < heap_count && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return line;
}

/*
 * One entry of a trace.  request is NULL or its request_id; the format makes
 * the members of data that only this kind of entry has.
 */
static void __attribute__((format(printf, 5, 6)))
entry(Trace *t, const char *ledger, const char *type, const char *request,
	  const char *format,...)
{
	char		line[LINE_MAX_BYTES];
	char		id[32];
	char		when[40];
	double		arrival;
	int64_t		usec;
	time_t		sec;
	struct tm	tm;
	int			n;
	va_list		args;

	t->ts += exponential(20);
	snprintf(id, sizeof(id), "%lld-%d", (long long) (t->ts * 1000), range(0, 10));
	usec = llrint(t->ts * 1e6);
	sec = (time_t) (usec / 1000000);
	gmtime_r(&sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);

	n = snprintf(line, sizeof(line),
				 "%s\t%s\t%s\t%s.%06d+00\t%s\t%s\t%s\t%s\t%s\t"
				 "{\"parent_entry_ref\":%s,\"trace_id\":\"%s\",\"sensitive\":false,\"internal\":false,"
				 "\"user_id\":\"%s\",\"thread_id\":\"%s\",\"integration_id\":\"%s\",",
				 t->app->id, ledger, id, when, (int) (usec % 1000000), type, t->trace,
				 t->thread->thread, t->thread->user, request ? request : "\\N",
				 t->parent, t->trace, t->thread->user, t->thread->thread, t->thread->integration);
	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t) n, format, args);
	va_end(args);
	n += snprintf(line + n, sizeof(line) - (size_t) n, "}\n");
	if (n >= (int) sizeof(line))
	{
		fprintf(stderr, "gen_entries: an entry is longer than %d bytes\n", LINE_MAX_BYTES);
		exit(1);
	}

	snprintf(t->parent, sizeof(t->parent), "{\"ledger\":\"%s\",\"id\":\"%s\",\"data\":{}}", ledger, id);

	arrival = t->ts;
	if (jitter > 0)
		arrival += uniform(&arrival_rng, 0, jitter);
	if (late > 0 && uniform01(&arrival_rng) < late)
		arrival += uniform(&arrival_rng, 60, 7200);
	push(arrival, checked(strdup(line)));
}

/* The thread that an app's next trace is about: often the newest, or a new one. */
static const Thread *
pick_thread(App *app)
{
	int			back;

	if (app->count == 0 || uniform01(&rng) < 0.15)
	{
		Thread	   *t;

		if (app->count == max_threads)
		{
			app->first = (app->first + 1) % max_threads;
			app->count--;
		}
		t = &app->threads[(app->first + app->count++) % max_threads];
		hex_id(t->thread, "t-", 32);
		hex_id(t->user, "u-", 32);
		snprintf(t->integration, sizeof(t->integration), "integration.%s", pick(integrations));
	}
	back = (int) exponential(0.15);
	if (back > app->count - 1)
		back = app->count - 1;
	return &app->threads[(app->first + app->count - 1 - back) % max_threads];
}

static void
user_says(Trace *t)
{
	char		text[256];
	int			n = 0;
	int			nwords = range(3, 14);

	for (int i = 0; i < nwords; i++)
		n += snprintf(text + n, sizeof(text) - (size_t) n, "%s%s", i ? " " : "", pick(words));
	entry(t, "event", "meya.text.event.say", NULL,
		  "\"text\":\"%s\",\"context\":{\"platform\":\"%s\",\"locale\":\"%s\"}",
		  text, pick(platforms), pick(locales));
}

static void
bot_step(Trace *t)
{
	char		confidence[32];

	entry(t, "bot",
		  uniform01(&rng) < 0.5 ? "meya.bot.entry.flow.start" : "meya.bot.entry.component.start", NULL,
		  "\"bot_id\":\"bot.default\",\"flow\":\"flow.%s_%s\",\"index\":%d,\"component\":\"%s\","
		  "\"data\":{\"confidence\":%s,\"retries\":%d}",
		  pick(words), pick(words), range(0, 30), pick(components),
		  decimal(confidence, sizeof(confidence), uniform01(&rng), 4), range(0, 3));
}

static void
call_out(Trace *t)
{
	char		request[43];
	char		elapsed[32];

	hex_id(request, "r-", 40);
	entry(t, "http", "meya.http.entry.request", request,
		  "\"direction\":\"tx\",\"method\":\"%s\",\"url\":\"https://%s/v1/%s/%d\","
		  "\"headers\":{\"accept\":\"application/json\"}",
		  pick(methods), pick(hosts), pick(words), range(0, 100000000));
	entry(t, "http", "meya.http.entry.response", request,
		  "\"direction\":\"tx\",\"status\":%d,\"elapsed_ms\":%s,\"content_length\":%d",
		  statuses[weighted(status_weights, lengthof(statuses))],
		  decimal(elapsed, sizeof(elapsed), lognormal(4.6, 0.8), 2), range(20, 9000));
}

static void
bot_says(Trace *t)
{
	char		replies[256];
	int			n = 0;
	int			nreplies = range(0, 3);
	int			previous = -1;

	replies[0] = '\0';
	for (int i = 0; i < nreplies; i++)
	{
		char		button[35];
		int			w;

		do
			w = range(0, lengthof(words));
		while (w == previous);
		previous = w;
		hex_id(button, "b-", 32);
		n += snprintf(replies + n, sizeof(replies) - (size_t) n,
					  "%s{\"text\":\"%s\",\"button_id\":\"%s\"}", i ? "," : "", words[w], button);
	}
	entry(t, "event", "meya.text.event.say", NULL,
		  "\"text\":\"%s\",\"bot_id\":\"bot.default\",\"quick_replies\":[%s]", pick(say), replies);
}

/* One trace: a request, what the bot does with it, the response. */
static void
trace(double now)
{
	App		   *app = &apps[weighted(app_weights, NAPPS)];
	Trace		t = {.app = app,.thread = pick_thread(app),.ts = now,.parent = "null"};
	char		elapsed[32];
	int			steps;

	hex_id(t.trace, "tr-", 32);
	hex_id(t.request, "r-", 40);

	entry(&t, "http", "meya.http.entry.request", t.request,
		  "\"direction\":\"rx\",\"method\":\"POST\",\"url\":\"https://grid.meya.ai/gateway/v2/%s/%s\","
		  "\"headers\":{\"content-type\":\"application/json\","
		  "\"user-agent\":\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36\","
		  "\"x-forwarded-for\":\"10.%d.%d.%d\"},\"content_length\":%d",
		  t.thread->integration, app->id, range(0, 256), range(0, 256), range(0, 256), range(80, 4000));
	user_says(&t);
	steps = range(1, 4);
	for (int i = 0; i < steps; i++)
		bot_step(&t);
	if (uniform01(&rng) < 0.4)
		call_out(&t);
	if (uniform01(&rng) < 0.12)
		entry(&t, "log", "meya.log.entry", NULL,
			  "\"level\":\"%s\",\"logger\":\"meya.element.%s\",\"message\":\"%s %s %d ms for request %.14s\"",
			  levels[weighted(level_weights, lengthof(levels))], pick(components),
			  pick(words), pick(outcomes), range(0, 30000), t.request);
	bot_says(&t);
	entry(&t, "http", "meya.http.entry.response", t.request,
		  "\"direction\":\"rx\",\"status\":200,\"elapsed_ms\":%s,\"content_length\":2",
		  decimal(elapsed, sizeof(elapsed), lognormal(3.5, 0.5), 2));
}

static void
usage(void)
{
	fprintf(stderr, "usage: gen_entries ROWS [SEED] [--rate TRACES_PER_S] [--jitter S] [--late SHARE]\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	long long	numbers[2] = {-1, 1};
	int			nnumbers = 0;
	double		clock = START;

	for (int i = 1; i < argc; i++)
	{
		char	   *end;
		double	   *option = NULL;

		if (strcmp(argv[i], "--rate") == 0)
			option = &rate;
		else if (strcmp(argv[i], "--jitter") == 0)
			option = &jitter;
		else if (strcmp(argv[i], "--late") == 0)
			option = &late;
		if (option != NULL)
		{
			if (++i == argc)
				usage();
			*option = strtod(argv[i], &end);
		}
		else
		{
			if (nnumbers == lengthof(numbers))
				usage();
			numbers[nnumbers++] = strtoll(argv[i], &end, 10);
		}
		if (end == argv[i] || *end != '\0')
			usage();
	}
	if (numbers[0] < 0 || !(rate > 0))
		usage();

	seed_random(&rng, (uint64_t) numbers[1]);
	seed_random(&arrival_rng, (uint64_t) numbers[1] + 1);
	max_threads = rate * 1.5 > 60 ? (int) (rate * 1.5) : 60;
	for (int i = 0; i < NAPPS; i++)
	{
		hex_id(apps[i].id, "app-", 24);
		apps[i].threads = checked(malloc((size_t) max_threads * sizeof(Thread)));
		app_weights[i] = 1.0 / (i + 1);
	}

	for (long long made = 0; made < numbers[0];)
	{
		while (heap_count == 0 || heap[0].arrival > clock)
		{
			clock += exponential(rate);
			trace(clock);
		}
		while (heap_count > 0 && heap[0].arrival <= clock && made < numbers[0])
		{
			char	   *line = pop();

			if (fputs(line, stdout) == EOF)
				return 1;
			free(line);
			made++;
		}
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
