# ledger: a compressed append-only table access method for PostgreSQL.
#
# For a newcomer, on a fresh Debian (these install what is missing):
#   make demo         a throwaway cluster with a ledger in it; make demo-stop removes it
#   make check        build, install, and run every test
#   make fuzz         libFuzzer on every decoder, for FUZZ_SECONDS (60)
#   make bench        bench/run; make bench-smoke is a quick one
# As any extension (postgresql-server-dev and liblz4-dev at hand; libzstd-dev and
# pkg-config for zstd):
#   make, make install, make installcheck; PG_CONFIG=... picks the server

OWN_GOALS = demo demo-stop check fuzz bench bench-smoke

ifneq (,$(filter $(OWN_GOALS),$(MAKECMDGOALS)))

# These must work before pg_config is there, so they do without PGXS.
include test/make/goals.mk

else

EXTENSION = ledger
MODULE_big = ledger
OBJS := $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c)))
DATA := $(sort $(wildcard ledger--*.sql))
PGFILEDESC = "ledger - compressed append-only tables"

PG_CPPFLAGS = -I$(srcdir)/src
SHLIB_LINK = -llz4

# sql/ledger.sql creates the extension and goes first
TESTS := $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
REGRESS := $(strip $(filter ledger,$(TESTS)) $(filter-out ledger,$(TESTS)))
ISOLATION := $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=$(srcdir)/test/isolation
TAP_TESTS := $(if $(wildcard test/tap/*.pl),1)
PROVE_TESTS = test/tap/*.pl
EXTRA_CLEAN = tmp_check log

# Bitcode for inlining into queries gains a table access method nothing.
ifeq ($(origin with_llvm),undefined)
override with_llvm = no
endif

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Nobody is to replace the library's functions by others of the same names, so
# let them be called directly and inlined, and let nobody see them: each name that
# is looked up costs every connection, as the server loads the library in each.
# For the same reason there are no start files, of which a library without
# constructors needs nothing: they look for three names that no library has.
ifeq ($(PORTNAME),linux)
override CFLAGS += -fno-semantic-interposition -fvisibility=hidden
SHLIB_LINK += -Wl,-Bsymbolic-functions -nostartfiles
endif

# Encoding and decoding are loops over values, which -O3 makes a few percent quicker;
# where PostgreSQL was built without optimisation, so is ledger.
ifneq ($(filter -O2,$(CFLAGS)),)
src/codec/%.o: override CFLAGS += -O3
endif

# zstd where it is at hand; without it, segments of it are refused
ifeq ($(origin WITH_ZSTD),undefined)
WITH_ZSTD := $(shell pkg-config --exists libzstd 2>/dev/null && echo yes)
endif
ifeq ($(WITH_ZSTD),yes)
override CPPFLAGS += -DLEDGER_ZSTD $(shell pkg-config --cflags libzstd)
SHLIB_LINK += $(shell pkg-config --libs libzstd)
endif

# PGXS does not track headers
$(OBJS): $(wildcard src/*.h src/*/*.h)

endif
