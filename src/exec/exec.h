/*-------------------------------------------------------------------------
 *
 * exec.h
 *	  LedgerScan: scans of ledgers that filter and skip by themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_EXEC_H
#define LEDGER_EXEC_H

/* Called by _PG_init. */
extern void ledger_exec_init(void);

#endif							/* LEDGER_EXEC_H */
