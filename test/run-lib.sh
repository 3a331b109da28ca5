# What demo/run, test/run-check and bench/run share: packages, the server's
# user, a place for its files, build and install.  Sourced by bash scripts that
# have set -eu and `top`, the checkout.
#
# PGVER picks the server's major version, PG_CONFIG a server that is not
# Debian's.

if [ "$(id -u)" = 0 ]; then SUDO=; else SUDO=sudo; fi
export LC_ALL=C.UTF-8
unset PGDATA PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS PGSERVICE MAKEFLAGS MAKELEVEL MFLAGS

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# need_packages [package...]: what a build needs, and these
need_packages()
{
	local missing=() p
	if [ -n "${PG_CONFIG:-}" ]; then
		export PG_CONFIG
		set -- "$@" gcc make
	else
		if [ -z "${PGVER:-}" ] && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
			PGVER=$(ls -d /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1 | cut -d/ -f5)
		fi
		if [ -z "${PGVER:-}" ]; then
			apt_update
			PGVER=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
			[ -n "$PGVER" ] || die "apt knows no postgresql package"
		fi
		export PGVER PG_CONFIG=/usr/lib/postgresql/$PGVER/bin/pg_config
		set -- "$@" "postgresql-$PGVER" "postgresql-server-dev-$PGVER" gcc make libc6-dev
	fi
	for p in "$@" liblz4-dev libzstd-dev pkg-config; do
		dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return 0
	say "installing ${missing[*]}"
	if [ -n "$SUDO" ] && ! command -v sudo >/dev/null; then
		die "missing packages: ${missing[*]} (install them, or run this as root)"
	fi
	apt_update
	$SUDO flock "$apt_lock" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >"$(apt_log)" 2>&1 ||
		{ cat "$(apt_log)" >&2; die "apt-get install failed"; }
}

# want_packages [package...]: installs what apt has of these
want_packages()
{
	local p
	for p in "$@"; do
		dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' && continue
		if command -v apt-get >/dev/null && { [ -z "$SUDO" ] || command -v sudo >/dev/null; }; then
			say "installing $p"
			apt_update
			$SUDO flock "$apt_lock" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$p" >"$(apt_log)" 2>&1 && continue
		fi
		say "there is no $p: what needs it is not tested"
	done
}

# .ci/run has several scripts at work
apt_lock=/var/lib/dpkg/lock-ledger
apt_log() { printf '%s\n' "${TMPDIR:-/tmp}/ledger-apt-$(id -u).log"; }

apt_update()
{
	command -v apt-get >/dev/null || die "no apt-get here: install PostgreSQL with its server headers, liblz4, a C compiler and make, and set PG_CONFIG"
	[ -z "${apt_updated:-}" ] || return 0
	$SUDO flock "$apt_lock" apt-get update -q >"$(apt_log)" 2>&1 || say "apt-get update had errors; going on with the lists there are"
	apt_updated=1
}

# as_server command...: a server does not run as root, so there as postgres
as_server()
{
	if [ "$(id -u)" = 0 ]; then
		(cd / && exec runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

# work_path name: sets `work`: tmp/name in the checkout where the server's user
# can get there, else below /var/tmp
work_path()
{
	work=$top/tmp/$1
	mkdir -p "$top/tmp"
	if ! as_server test -x "$top/tmp"; then
		work=/var/tmp/ledger-$1-$(printf '%s' "$top" | cksum | cut -d' ' -f1)
	fi
}

# work_dir name: makes it anew, empty, the server's user's
work_dir()
{
	work_path "$1"
	[ "$work" = "$top/tmp/$1" ] || say "the server's user cannot enter $top: using $work"
	stop_cluster
	rm -rf "$work"
	mkdir -p "$work"
	[ "$(id -u)" != 0 ] || chown postgres: "$work"
}

# is_installed: a server that tests use meanwhile must not find half a library
is_installed()
{
	local f dir
	cmp -s "$top/ledger.so" "$("$PG_CONFIG" --pkglibdir)/ledger.so" || return 1
	dir=$("$PG_CONFIG" --sharedir)/extension
	for f in "$top"/ledger.control "$top"/ledger--*.sql; do
		cmp -s "$f" "$dir/${f##*/}" || return 1
	done
}

# build_install: as the caller; installing as root
build_install()
{
	local log
	log=$(mktemp)
	if ! make -C "$top" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" COPT="${COPT:-}" >"$log" 2>&1; then
		cat "$log" >&2
		die "the build failed"
	fi
	grep -E 'warning:' "$log" >&2 || true
	if is_installed; then
		:
	elif [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then
		make -C "$top" PG_CONFIG="$PG_CONFIG" install >"$log" 2>&1 || { cat "$log" >&2; die "make install failed"; }
	else
		sudo make -C "$top" PG_CONFIG="$PG_CONFIG" install >"$log" 2>&1 || { cat "$log" >&2; die "make install failed"; }
	fi
	rm -f "$log"
}

# clean_other_version: objects of another server's headers must not be reused
clean_other_version()
{
	local now="$("$PG_CONFIG" --version) $("$PG_CONFIG" --pgxs)"
	mkdir -p "$top/tmp"
	if [ "$(cat "$top/tmp/built-for" 2>/dev/null || true)" != "$now" ]; then
		make -C "$top" PG_CONFIG="$PG_CONFIG" clean >/dev/null
		printf '%s\n' "$now" >"$top/tmp/built-for"
	fi
}

# start_cluster [initdb option...]: a cluster in $work/data with a socket in
# `sock` and `port`; more settings are read from $work/extra.conf
start_cluster()
{
	bindir=$("$PG_CONFIG" --bindir)
	sock=$work
	if [ ${#sock} -gt 80 ]; then	# a socket's path has 107 bytes
		sock=$(as_server mktemp -d /tmp/ledger-sock.XXXXXX)
		ln -s "$sock" "$work/sock"
	fi
	port=$(free_port)
	as_server "$bindir/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 "$@" >"$work/initdb.log" 2>&1 ||
		{ cat "$work/initdb.log" >&2; die "initdb failed"; }
	{
		printf "port = %s\nlisten_addresses = ''\nunix_socket_directories = '%s'\n" "$port" "$sock"
		if [ -e "$work/extra.conf" ]; then cat "$work/extra.conf"; fi
	} | as_server tee -a "$work/data/postgresql.conf" >/dev/null
	as_server "$bindir/pg_ctl" -D "$work/data" -l "$work/server.log" -w start >/dev/null ||
		{ tail -n 20 "$work/server.log" >&2; die "the server did not start"; }
	export PGHOST=$sock PGPORT=$port PGUSER=postgres PGDATABASE=postgres
}

# stops the cluster in $work, if one runs there
stop_cluster()
{
	[ ! -L "$work/sock" ] || sock=$(readlink "$work/sock")
	[ ! -e "$work/data/postmaster.pid" ] || as_server "$("$PG_CONFIG" --bindir)/pg_ctl" -D "$work/data" -m fast -w stop >/dev/null 2>&1 || true
	case "${sock:-}" in /tmp/ledger-sock.*) rmdir "$sock" 2>/dev/null || true ;; esac
}

free_port()
{
	perl -MIO::Socket::INET -e '
		for my $p (54320 .. 54999) {
			my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $p, Listen => 1) or next;
			print "$p\n"; exit 0;
		}
		exit 1'
}
