# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced by ./try and ./check, from the top of the tree: installs what tests/packages names.

. tests/lib/distro.sh

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "This needs root, and there is no sudo: $*" >&2
		return 1
	fi
}

# packages_for PURPOSE COLUMN: one name a line.
packages_for() {
	awk -v purpose="$1" -v column="$2" '!/^#/ && $1 == purpose && $column != "-" { print $column }' tests/packages
}

apt_missing() {
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
	done
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "$@" </dev/null
}

install_by_apt() {
	# shellcheck disable=SC2046
	set -- $(apt_missing "$@")
	[ $# -gt 0 ] || return 0
	echo "installing: $*"
	# The lists may be old or absent: once more after an update.
	apt_install "$@" || {
		as_root apt-get update -q </dev/null
		apt_install "$@"
	}
}

install_by_dnf() {
	rpm -q "$@" >/dev/null 2>&1 && return 0
	echo "installing: $*"
	as_root dnf install -y "$@" </dev/null
}

# install_packages PURPOSE...
install_packages() {
	distro_read
	debian=$(for p; do packages_for "$p" 2; done)
	fedora=$(for p; do packages_for "$p" 3; done)
	# shellcheck disable=SC2086
	if command -v apt-get >/dev/null; then
		install_by_apt $debian
	elif command -v dnf >/dev/null; then
		install_by_dnf $fedora
	else
		echo "Neither apt-get nor dnf is here. Please install what these are called on your system," >&2
		echo "in Debian's names:" $debian >&2
		echo "in Fedora's names:" $fedora >&2
		return 1
	fi
}
