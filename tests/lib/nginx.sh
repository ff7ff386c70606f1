#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# A real nginx for tests, in a directory of its own, on free ports of loopback, as
# whoever runs the test. To be sourced, or run:
#
#	. nginx.sh
#	nginx_start PREFIX DIRECTORY	serves DIRECTORY; PREFIX is made, and holds configuration, keys, logs
#	nginx_stop PREFIX		returns when it is gone
#
#	nginx.sh run PREFIX DIRECTORY	prints both ports in a line, and serves until standard input ends
#
# What it serves, of DIRECTORY/PATH:
#
#	http://127.0.0.1:$(cat PREFIX/http)/PATH
#	.../gzip/PATH		compressed for who accepts it, whatever its type
#	.../private/PATH	for user "user" with password "pass word"
#	.../moved/PATH		301 to /PATH; .../secure/PATH	302 to https, same path
#	https://localhost:$(cat PREFIX/https)/PATH
#				its certificate, for localhost alone, is signed by PREFIX/ca.pem
#	.../down/PATH		302 to http
#
# PREFIX/other-ca.pem is a CA that has signed nothing. PREFIX/access.log has a line a request.

nginx_keys() {
	for nginx_ca in ca other-ca; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
			-subj "/CN=goalfs test $nginx_ca" -keyout "$1/$nginx_ca.key" -out "$1/$nginx_ca.pem" \
			>>"$1/openssl.log" 2>&1 || return 1
	done
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
		-keyout "$1/server.key" -out "$1/server.csr" >>"$1/openssl.log" 2>&1 || return 1
	echo "subjectAltName=DNS:localhost" >"$1/server.ext"
	openssl x509 -req -in "$1/server.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial -days 2 \
		-extfile "$1/server.ext" -out "$1/server.pem" >>"$1/openssl.log" 2>&1 || return 1
	printf 'user:%s\n' "$(openssl passwd -apr1 'pass word')" >"$1/passwords"
}

# Two ports that were free a moment ago; nginx_start tries others if they no longer are.
nginx_ports() {
	python3 -c 'import socket
held = [socket.socket() for _ in range(2)]
for s in held:
	s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))'
}

# nginx_conf PREFIX DIRECTORY HTTP HTTPS
nginx_conf() {
	cat <<-EOF
	daemon on;
	worker_processes 1;
	pid $1/pid;
	error_log $1/error.log;
	events { worker_connections 256; }
	http {
		access_log $1/access.log;
		client_body_temp_path $1/tmp;
		proxy_temp_path $1/tmp;
		fastcgi_temp_path $1/tmp;
		uwsgi_temp_path $1/tmp;
		scgi_temp_path $1/tmp;
		default_type application/octet-stream;
		server {
			listen 127.0.0.1:$3;
			root $2;
			location /gzip/ { alias $2/; gzip on; gzip_types *; gzip_min_length 1; }
			location /private/ { alias $2/; auth_basic test; auth_basic_user_file $1/passwords; }
			location /moved/ { rewrite ^/moved(/.*)$ \$1 permanent; }
			location /secure/ { rewrite ^/secure(/.*)$ https://localhost:$4\$1 redirect; }
		}
		server {
			listen 127.0.0.1:$4 ssl;
			root $2;
			ssl_certificate $1/server.pem;
			ssl_certificate_key $1/server.key;
			location /down/ { rewrite ^/down(/.*)$ http://127.0.0.1:$3\$1 redirect; }
		}
	}
	EOF
	# Its workers are nobody, whom nobody lets into a test's directory.
	[ "$(id -u)" != 0 ] || echo "user root;"
}

# nginx_start PREFIX DIRECTORY
nginx_start() {
	PATH=$PATH:/usr/sbin
	mkdir -p "$1/tmp" && nginx_keys "$1" || return 1
	for _ in 1 2 3 4 5; do
		# shellcheck disable=SC2046 # two words
		set -- "$1" "$2" $(nginx_ports)
		nginx_conf "$@" >"$1/nginx.conf"
		if nginx -e "$1/error.log" -p "$1" -c "$1/nginx.conf" >>"$1/nginx.log" 2>&1; then
			echo "$3" >"$1/http"
			echo "$4" >"$1/https"
			return 0
		fi
	done
	cat "$1/nginx.log" >&2
	return 1
}

# nginx_stop PREFIX
nginx_stop() {
	[ -s "$1/pid" ] || return 0
	nginx_pid=$(cat "$1/pid")
	kill "$nginx_pid" || return 1
	while kill -0 "$nginx_pid" 2>/dev/null; do
		sleep 0.02
	done
}

case ${0##*/} in
nginx.sh)
	set -eu
	case ${1:-} in
	run)
		nginx_start "$2" "$3"
		echo "$(cat "$2/http") $(cat "$2/https")"
		cat >/dev/null
		nginx_stop "$2"
		;;
	*)
		echo "usage: nginx.sh run PREFIX DIRECTORY" >&2
		exit 2
		;;
	esac
	;;
esac
