#!/bin/sh
# Makes sure that the programs are there that the tests speak with. With root or
# sudo on Debian it installs what is missing; elsewhere it names it and fails.
set -eu

# program, perl:MODULE or a file's path, and the Debian package that brings it
peers='
openssl openssl
gpgsm gpgsm
gpg-agent gpg-agent
named bind9
dig bind9-dnsutils
slapd slapd
postfix postfix
ldapadd ldap-utils
swaks swaks
msmtp msmtp
curl curl
perl:Net::SSLeay libnet-ssleay-perl
mbsync isync
mutt mutt
notmuch notmuch
fetchmail fetchmail
getmail getmail6
mpop mpop
gsasl gsasl
python3 python3
gcc gcc
javac default-jdk-headless
/usr/share/java/bcpkix.jar libbcpkix-java
/usr/lib/python3/dist-packages/authres/smime.py python3-authres
'

PATH=$PATH:/usr/sbin:/sbin
have() {
	case $1 in
	/*) [ -e "$1" ] ;;
	perl:*) perl -M"${1#perl:}" -e 1 2>/dev/null ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

programs=''
packages=''
missing() {
	programs=''
	packages=''
	while read -r program package; do
		[ -n "$program" ] || continue
		have "$program" && continue
		programs="$programs $program"
		packages="$packages $package"
	done <<EOF
$peers
EOF
	[ -n "$programs" ]
}

missing || exit 0

become=''
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		become='sudo -n'
	else
		become=none
	fi
fi
if [ "$become" = none ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "missing programs:$programs" >&2
	echo "on Debian: apt-get install --no-install-recommends$packages" >&2
	exit 1
fi

echo "installing:$packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Services are not to start: the tests run their own on loopback.
if ! {
	$become apt-get update &&
	$become env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends $packages
} >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	exit 1
fi
if missing; then
	echo "still missing after the installation:$programs" >&2
	exit 1
fi
