# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Sourced. What distribution is this, and where does it get its packages from?

# Sets DISTRO (debian, ubuntu, fedora, ...), DISTRO_SUITE, DISTRO_SOURCES_KIND.
distro_read() {
	DISTRO=$(. /etc/os-release && echo "$ID")
	DISTRO_LIKE=$(. /etc/os-release && echo "$ID ${ID_LIKE:-}")
	DISTRO_SUITE=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# By the file's name first, since a mirror may have any; what other vendors have put there doesn't count.
	for DISTRO_SOURCES in "/etc/apt/sources.list.d/$DISTRO.sources" /etc/apt/sources.list.d/*"$DISTRO.sources" \
		/etc/apt/sources.list /etc/apt/sources.list.d/*"$DISTRO.list" /etc/apt/sources.list.d/*; do
		distro_is_source "$DISTRO_SOURCES" && break
		DISTRO_SOURCES=
	done
	case $DISTRO_SOURCES in
	*.sources) DISTRO_SOURCES_KIND=sources ;;
	*) DISTRO_SOURCES_KIND=list ;;
	esac
}

# Whether the file names packages of this release; one that is found by chance must name the usual servers.
distro_is_source() {
	[ -r "$1" ] && grep -v '^ *#' "$1" | grep -v cdrom: | grep -qw "$DISTRO_SUITE" || return 1
	case $1 in
	*"$DISTRO.sources" | */sources.list | *"$DISTRO.list") return 0 ;;
	esac
	grep -qE '^[^#]*://[^ ]*(debian\.org|ubuntu\.com)/' "$1"
}

# Prints the distribution's own apt sources, without those of other vendors and
# of discs; a mirror list of this machine is replaced by its first mirror.
distro_apt_sources() {
	if [ -z "$DISTRO_SOURCES" ]; then
		case $DISTRO in
		ubuntu) echo "deb http://archive.ubuntu.com/ubuntu $DISTRO_SUITE main universe" ;;
		*) echo "deb http://deb.debian.org/debian $DISTRO_SUITE main" ;;
		esac
		return
	fi
	sed -e '/^ *#/d' -e '/cdrom:/d' "$DISTRO_SOURCES" | while IFS= read -r line; do
		case $line in
		*mirror+file:*)
			list=$(printf '%s\n' "$line" | sed 's/.*mirror+file:\([^ ]*\).*/\1/')
			mirror=$(awk '!/^#/ && NF { print $1; exit }' "$list")
			printf '%s\n' "$line" | sed "s|mirror+file:[^ ]*|$mirror|"
			;;
		*)
			printf '%s\n' "$line"
			;;
		esac
	done
}

# Prints the options that make mmdebstrap use this machine's apt proxy, if it has one.
distro_apt_proxy() {
	apt-config dump 2>/dev/null | sed -n 's/^\(Acquire::https\{0,1\}::Proxy\) "\(..*\)";$/--aptopt=\1"\2"/p'
}
