/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  One relcache callback for all that we cache of relations: the server has
 *	  room for ten, of all extensions together, and ends the session that needs
 *	  more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/storage.h"
#include "utils/inval.h"

#define WATCHERS_MAX	16

static RelcacheCallbackFunction watchers[WATCHERS_MAX];
static int	nwatchers = 0;

static void
relation_changed(Datum arg, Oid relid)
{
	for (int i = 0; i < nwatchers; i++)
		watchers[i] (arg, relid);
}

/* Have a function called with each relation that changes; InvalidOid: any may have. */
void
ledger_watch_relations(RelcacheCallbackFunction watcher)
{
	if (nwatchers == WATCHERS_MAX)
		elog(ERROR, "too many functions watch relations");
	if (nwatchers == 0)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	watchers[nwatchers++] = watcher;
}
