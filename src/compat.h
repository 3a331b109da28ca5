/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every PG_VERSION_NUM test there is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LEDGER_COMPAT_H
#define LEDGER_COMPAT_H

#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/rel.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "ledger builds for PostgreSQL 15 to 18"
#endif

/* 16 moved the varlena macros out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * Only what the server looks up by name is visible outside of the library.  From 16
 * on, the server's headers see to that.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT				__attribute__((visibility("default")))
#define LEDGER_FUNCTION(name) \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)
extern PGDLLEXPORT void _PG_init(void);
#else
#define LEDGER_FUNCTION(name)	PG_FUNCTION_INFO_V1(name)
#endif

/* From 16 on, the planner leaves constant keys out of GROUP BY. */
#if PG_VERSION_NUM >= 160000
#define LedgerKeysLeftOut(root) \
	(list_length((root)->processed_groupClause) != list_length((root)->parse->groupClause))
#else
#define LedgerKeysLeftOut(root)	false
#endif

/* 18 says pg_noreturn, before the declaration */
#ifndef pg_attribute_noreturn
#define pg_attribute_noreturn()	__attribute__((noreturn))
#endif

/* 16 renamed a relation's physical identity */
#if PG_VERSION_NUM >= 160000
typedef struct RelFileLocator LedgerFile;
#define LedgerFileOf(rel)		((rel)->rd_locator)
#define LedgerSameFile(a, b)	RelFileLocatorEquals(a, b)
#include "storage/relfilelocator.h"
#else
#include "storage/relfilenode.h"
typedef RelFileNode LedgerFile;
#define LedgerFileOf(rel)		((rel)->rd_node)
#define LedgerSameFile(a, b)	RelFileNodeEquals(a, b)
#endif

/* 16 renamed the marks of a file that this transaction has made, too */
#if PG_VERSION_NUM >= 160000
#define LedgerMarkFileNew(rel)	RelationAssumeNewRelfilelocator(rel)
#define LedgerCopyFileMarks(to, from) \
	((to)->rd_createSubid = (from)->rd_createSubid, \
	 (to)->rd_newRelfilelocatorSubid = (from)->rd_newRelfilelocatorSubid, \
	 (to)->rd_firstRelfilelocatorSubid = (from)->rd_firstRelfilelocatorSubid)
#else
#define LedgerMarkFileNew(rel)	RelationAssumeNewRelfilenode(rel)
#define LedgerCopyFileMarks(to, from) \
	((to)->rd_createSubid = (from)->rd_createSubid, \
	 (to)->rd_newRelfilenodeSubid = (from)->rd_newRelfilenodeSubid, \
	 (to)->rd_firstRelfilenodeSubid = (from)->rd_firstRelfilenodeSubid)
#endif

/* 17 calls functions of indexes with a search path that is safe */
#if PG_VERSION_NUM >= 170000
#define LedgerRestrictSearchPath()	RestrictSearchPath()
#else
#define LedgerRestrictSearchPath()	((void) 0)
#endif

/*
 * For src/append.  16 moved a command's permissions from range table entries
 * to a list of their own, gave the map from root to partition a function and
 * ExecInsertIndexTuples() an argument; 18 lists the unpruned relations, and
 * gave more functions an argument.
 */
#if PG_VERSION_NUM >= 160000
#define LedgerInitInsertPermissions(rtable, perminfos) \
	(addRTEPermissionInfo(&(perminfos), linitial_node(RangeTblEntry, rtable))->requiredPerms = ACL_INSERT)
#define LedgerAddInsertedColumn(rtable, perminfos, col) \
	(linitial_node(RTEPermissionInfo, perminfos)->insertedCols = \
	 bms_add_member(linitial_node(RTEPermissionInfo, perminfos)->insertedCols, col))
#define LedgerCheckPermissions(rtable, perminfos) \
	((void) ExecCheckPermissions(rtable, perminfos, true))
#define LedgerRootToLeafMap(rri, estate)	ExecGetRootToChildMap(rri, estate)
#define LedgerSetRootToLeafMap(rri, root)	((void) 0)	/* it finds that itself */
#define LedgerInsertIndexTuples(rri, slot, estate) \
	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL, false)
#else
#define LedgerInitInsertPermissions(rtable, perminfos) \
	(linitial_node(RangeTblEntry, rtable)->requiredPerms = ACL_INSERT)
#define LedgerAddInsertedColumn(rtable, perminfos, col) \
	(linitial_node(RangeTblEntry, rtable)->insertedCols = \
	 bms_add_member(linitial_node(RangeTblEntry, rtable)->insertedCols, col))
#define LedgerCheckPermissions(rtable, perminfos) \
	((void) ExecCheckRTPerms(rtable, true))
#define LedgerRootToLeafMap(rri, estate)	((rri)->ri_RootToPartitionMap)
#define LedgerSetRootToLeafMap(rri, root) \
	((rri)->ri_RootToPartitionMap = \
	 convert_tuples_by_name(RelationGetDescr((root)->ri_RelationDesc), \
							RelationGetDescr((rri)->ri_RelationDesc)))
#define LedgerInsertIndexTuples(rri, slot, estate) \
	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL)
#endif
#if PG_VERSION_NUM >= 160000
#define LedgerInsertIndexTuplesSpeculative(rri, slot, estate, conflict) \
	ExecInsertIndexTuples(rri, slot, estate, false, true, conflict, NIL, false)
#else
#define LedgerInsertIndexTuplesSpeculative(rri, slot, estate, conflict) \
	ExecInsertIndexTuples(rri, slot, estate, false, true, conflict, NIL)
#endif
#if PG_VERSION_NUM >= 180000
#define LedgerCheckIndexConstraints(rri, slot, estate, conflict, invalid) \
	ExecCheckIndexConstraints(rri, slot, estate, conflict, invalid, NIL)
#define LedgerPrimaryKeyIndex(rel)	RelationGetPrimaryKeyIndex(rel, false)
#else
#define LedgerCheckIndexConstraints(rri, slot, estate, conflict, invalid) \
	((void) (invalid), ExecCheckIndexConstraints(rri, slot, estate, conflict, NIL))
#define LedgerPrimaryKeyIndex(rel)	RelationGetPrimaryKeyIndex(rel)
#endif
#if PG_VERSION_NUM >= 180000
#define LedgerInitRangeTable(estate, rtable, perminfos) \
	ExecInitRangeTable(estate, rtable, perminfos, bms_make_singleton(1))
#elif PG_VERSION_NUM >= 160000
#define LedgerInitRangeTable(estate, rtable, perminfos) \
	ExecInitRangeTable(estate, rtable, perminfos)
#else
#define LedgerInitRangeTable(estate, rtable, perminfos) \
	ExecInitRangeTable(estate, rtable)
#endif

/* 16 put the cutoffs of VACUUM in a struct */
#if PG_VERSION_NUM >= 160000
#define LedgerVacuumCutoffs		struct VacuumCutoffs
#define LedgerGetCutoffs(rel, params, cutoffs) \
	vacuum_get_cutoffs(rel, params, cutoffs)
#define LedgerFailsafeNeeded(rel, cutoffs)	vacuum_xid_failsafe_check(cutoffs)
#else
typedef struct LedgerVacuumCutoffs
{
	TransactionId OldestXmin;
	MultiXactId OldestMxact;
	TransactionId FreezeLimit;
	MultiXactId MultiXactCutoff;
} LedgerVacuumCutoffs;
#define LedgerGetCutoffs(rel, params, cutoffs) \
	vacuum_set_xid_limits(rel, (params)->freeze_min_age, \
						  (params)->freeze_table_age, \
						  (params)->multixact_freeze_min_age, \
						  (params)->multixact_freeze_table_age, \
						  &(cutoffs)->OldestXmin, &(cutoffs)->OldestMxact, \
						  &(cutoffs)->FreezeLimit, \
						  &(cutoffs)->MultiXactCutoff)
#define LedgerFailsafeNeeded(rel, cutoffs) \
	vacuum_xid_failsafe_check((rel)->rd_rel->relfrozenxid, (rel)->rd_rel->relminmxid)
#endif

#if PG_VERSION_NUM >= 160000
#define LedgerFillReusePage(record, rel, fullxid) \
	do { \
		memset(&(record), 0, sizeof(record)); \
		(record).locator = (rel)->rd_locator; \
		(record).block = 0; \
		(record).snapshotConflictHorizon = (fullxid); \
		(record).isCatalogRel = false; \
	} while (0)
#else
#define LedgerFillReusePage(record, rel, fullxid) \
	do { \
		memset(&(record), 0, sizeof(record)); \
		(record).node = (rel)->rd_node; \
		(record).block = 0; \
		(record).latestRemovedFullXid = (fullxid); \
	} while (0)
#endif

#if PG_VERSION_NUM >= 180000
#define vacuum_delay_point_compat()		vacuum_delay_point(false)
#define vac_update_relstats_compat(rel, pages, tuples, hasindex, xid, multi, xid_updated, multi_updated) \
	vac_update_relstats(rel, pages, tuples, 0, 0, hasindex, xid, multi, xid_updated, multi_updated, false)
#define pgstat_report_vacuum_compat(rel, live, dead, starttime) \
	pgstat_report_vacuum(RelationGetRelid(rel), (rel)->rd_rel->relisshared, live, dead, starttime)
#else
#define vacuum_delay_point_compat()		vacuum_delay_point()
#define vac_update_relstats_compat(rel, pages, tuples, hasindex, xid, multi, xid_updated, multi_updated) \
	vac_update_relstats(rel, pages, tuples, 0, hasindex, xid, multi, xid_updated, multi_updated, false)
#define pgstat_report_vacuum_compat(rel, live, dead, starttime) \
	((void) (starttime), \
	 pgstat_report_vacuum(RelationGetRelid(rel), (rel)->rd_rel->relisshared, live, dead))
#endif

#if PG_VERSION_NUM >= 160000
#define LedgerFillIndexVacuumInfo(info, indexrel, heap, tuples, bstrategy) \
	((info).index = (indexrel), (info).heaprel = (heap), (info).message_level = DEBUG2, \
	 (info).num_heap_tuples = (tuples), (info).estimated_count = false, \
	 (info).strategy = (bstrategy))
#else
#define LedgerFillIndexVacuumInfo(info, indexrel, heap, tuples, bstrategy) \
	((info).index = (indexrel), (info).message_level = DEBUG2, \
	 (info).num_heap_tuples = (tuples), (info).estimated_count = false, \
	 (info).strategy = (bstrategy))
#endif

/* 16 changed what tuple_update reports, and renamed a callback */
#if PG_VERSION_NUM >= 160000
#define LedgerUpdateIndexes		TU_UpdateIndexes
#define LEDGER_SET_NEW_FILE		relation_set_new_filelocator
#else
#define LedgerUpdateIndexes		bool
#define LEDGER_SET_NEW_FILE		relation_set_new_filenode
#endif

#define LedgerBackendOf(rel)	((rel)->rd_backend)

/* 16 renamed the ownership test; 17 has a privilege to maintain a table */
#if PG_VERSION_NUM >= 170000
#define ledger_may_maintain(relid, user) \
	(pg_class_aclcheck(relid, user, ACL_MAINTAIN) == ACLCHECK_OK)
#define LEDGER_MAINTAIN_DENIED	ACLCHECK_NO_PRIV
#elif PG_VERSION_NUM >= 160000
#define ledger_may_maintain(relid, user) \
	object_ownercheck(RelationRelationId, relid, user)
#else
#define ledger_may_maintain(relid, user)	pg_class_ownercheck(relid, user)
#endif
#if PG_VERSION_NUM >= 160000
#define ledger_owns(relid, user)	object_ownercheck(RelationRelationId, relid, user)
#else
#define ledger_owns(relid, user)	pg_class_ownercheck(relid, user)
#endif
#ifndef LEDGER_MAINTAIN_DENIED
#define LEDGER_MAINTAIN_DENIED	ACLCHECK_NOT_OWNER
#endif

/* What src/read needs. */

/* 17: a TupleTableSlot tells whether its row is the transaction's own */
#if PG_VERSION_NUM >= 170000
#define LEDGER_SLOT_IS_CURRENT_XACT
#endif

/* 17: ANALYZE gives a stream of block numbers */
#if PG_VERSION_NUM >= 170000
#define LEDGER_ANALYZE_STREAM
#endif

/* 18: bitmap scans walk the bitmap, and prefetch, themselves */
#if PG_VERSION_NUM >= 180000
#define LEDGER_BITMAP_BY_TUPLE
#else
#define LEDGER_CORE_PREFETCHES_BITMAP
#endif

/* 18: minimal tuples may have room in front */
#if PG_VERSION_NUM >= 180000
#define LEDGER_MINIMAL_EXTRA_PARAM	, Size extra
#define LEDGER_MINIMAL_EXTRA_ARG	, extra
#else
#define LEDGER_MINIMAL_EXTRA_PARAM
#define LEDGER_MINIMAL_EXTRA_ARG
#endif

/* 18: parallel scans tell relations apart by their files */
#if PG_VERSION_NUM >= 180000
#define LEDGER_SET_PARALLEL_RELATION(pscan, rel) ((pscan)->phs_locator = (rel)->rd_locator)
#else
#define LEDGER_SET_PARALLEL_RELATION(pscan, rel) ((pscan)->phs_relid = RelationGetRelid(rel))
#endif

/* 16: index access methods say whether they summarize */
#if PG_VERSION_NUM >= 160000
#define LEDGER_INDEX_SUMMARIZES(index) \
	((index)->rd_rel->relam == BRIN_AM_OID || (index)->rd_indam->amsummarizing)
#else
#define LEDGER_INDEX_SUMMARIZES(index) ((index)->rd_rel->relam == BRIN_AM_OID)
#endif

/* 16: the caller says whether it wants a copy */
#if PG_VERSION_NUM >= 160000
#define LEDGER_TUPLESORT_GETDATUM(sort, value, isnull) \
	tuplesort_getdatum(sort, true, false, value, isnull, NULL)
#else
#define LEDGER_TUPLESORT_GETDATUM(sort, value, isnull) \
	tuplesort_getdatum(sort, true, value, isnull, NULL)
#endif

/* What src/exec needs. */

/* 16: a custom scan says of which kind its slot is */
#if PG_VERSION_NUM >= 160000
#define LEDGER_CUSTOM_SLOT_OPS
#define LedgerSetCustomSlotOps(css, ops)	((css)->slotOps = (ops))
#else
#define LedgerSetCustomSlotOps(css, ops)	((void) 0)
#endif

/* 18: NOT NULL may be a constraint that rows from before it need not meet */
#if PG_VERSION_NUM >= 180000
#define LedgerHasNoNulls(desc, i) \
	(TupleDescCompactAttr(desc, i)->attnullability == ATTNULLABLE_VALID)
#else
#define LedgerHasNoNulls(desc, i)	(TupleDescAttr(desc, i)->attnotnull)
#endif

/* 18: what EXPLAIN's properties need is in headers of their own */
#if PG_VERSION_NUM >= 180000
#define LEDGER_EXPLAIN_APART
#endif

/*
 * For aggregates.  16 tells appendrels by their RelOptInfos, and has one function
 * for rights to any object.
 */
#if PG_VERSION_NUM >= 160000
#define LedgerAdjustAttrs(root, node, child, parent) \
	adjust_appendrel_attrs_multilevel(root, node, child, parent)
#define LedgerFunctionAclcheck(function, user) \
	object_aclcheck(ProcedureRelationId, function, user, ACL_EXECUTE)
#else
#define LedgerAdjustAttrs(root, node, child, parent) \
	adjust_appendrel_attrs_multilevel(root, node, (child)->relids, (parent)->relids)
#define LedgerFunctionAclcheck(function, user) \
	pg_proc_aclcheck(function, user, ACL_EXECUTE)
#endif

/* 18: what is switched off is counted, and not made dear */
#if PG_VERSION_NUM >= 180000
#define LedgerDisablePath(path)		((path)->disabled_nodes = 1)
#else
#define LedgerDisablePath(path) \
	((path)->startup_cost += disable_cost, (path)->total_cost += disable_cost)
#endif

/*
 * 16: what makes a column NULL is told by its Var.  18: a path key names its
 * comparison, and not btree's strategy.
 */
#if PG_VERSION_NUM >= 160000
#define LedgerColumnPathKey(root, var, opno, relids) \
	build_expression_pathkey(root, (Expr *) (var), opno, relids, false)
#else
#define LedgerColumnPathKey(root, var, opno, relids) \
	build_expression_pathkey(root, (Expr *) (var), NULL, opno, relids, false)
#endif
#if PG_VERSION_NUM >= 180000
#define LedgerPathKeyDescends(pathkey)	((pathkey)->pk_cmptype == COMPARE_GT)
#define LedgerDescendingPathKey(root, ascending) \
	make_canonical_pathkey(root, (ascending)->pk_eclass, (ascending)->pk_opfamily, \
						   COMPARE_GT, true)
#else
#define LedgerPathKeyDescends(pathkey)	((pathkey)->pk_strategy == BTGreaterStrategyNumber)
#define LedgerDescendingPathKey(root, ascending) \
	make_canonical_pathkey(root, (ascending)->pk_eclass, (ascending)->pk_opfamily, \
						   BTGreaterStrategyNumber, true)
#endif

/*
 * 16 adds several blocks to a file at once.  The caller holds the extension
 * lock; what comes is n buffers of consecutive zero pages, or fewer, pinned.
 */
#if PG_VERSION_NUM >= 160000
static inline int
ledger_add_blocks(Relation rel, int n, Buffer *buffers)
{
	uint32		added;

	(void) ExtendBufferedRelBy(BMR_REL(rel), MAIN_FORKNUM, NULL, EB_SKIP_EXTENSION_LOCK,
							   n, buffers, &added);
	return added;
}
#else
static inline int
ledger_add_blocks(Relation rel, int n, Buffer *buffers)
{
	for (int i = 0; i < n; i++)
		buffers[i] = ReadBuffer(rel, P_NEW);
	return n;
}
#endif

#endif							/* LEDGER_COMPAT_H */
