# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for goalfs(1)

_goalfs()
{
	local cur prev options
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	# To bash the "=" of --verify=before is a word.
	[[ $cur == = ]] && cur=
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	options="--list --list-format --notes --plan --cache-all-templates --print-cache --delete-cache --unmount --wait
		--cache --no-cache --cache-limit --memory --decoders --formats --gpgkey --fingerprint
		--no-check-signature --verify --refresh --allow-commands --cacert --allow-read --uid --gid --umask
		--options --foreground --verbose --version --help"

	case $prev in
	--cache)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--list-format)
		mapfile -t COMPREPLY < <(compgen -W "short long json" -- "$cur")
		return
		;;
	--gpgkey | --cacert | --allow-read)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--verify)
		mapfile -t COMPREPLY < <(compgen -W "before behind off" -- "$cur")
		return
		;;
	--formats)
		mapfile -t COMPREPLY < <(compgen -W "qcow2 raw vmdk vdi vhd vhdx qcow2,raw" -- "$cur")
		return
		;;
	--uid)
		mapfile -t COMPREPLY < <(compgen -u -- "$cur")
		return
		;;
	--gid)
		mapfile -t COMPREPLY < <(compgen -g -- "$cur")
		return
		;;
	--umask | --cache-limit | --memory | --decoders | --fingerprint | --refresh | --wait | --notes | --plan | --options | -o)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
	fi
}
complete -F _goalfs goalfs
