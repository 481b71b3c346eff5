#!/bin/sh
# Makes testdata/cms: keys for tests alone, and messages by OpenSSL, gpgsm and
# BouncyCastle. Keys and certificates that are there are kept.
# Needs: openssl 3, gpgsm, javac and libbcmail-java (Debian).
set -eu
cd "$(dirname "$0")/cms"

certificate() { # name, kind of key …
	name=$1
	shift
	[ -s "$name.key" ] && return
	openssl genpkey -quiet "$@" -out "$name.tmp"
	{
		echo "TEST ONLY: this key is public."
		cat "$name.tmp"
	} >"$name.key"
	rm "$name.tmp"
	openssl req -new -x509 -key "$name.key" -out "$name.pem" -days 36500 \
		-subj "/O=Postern Test Only/CN=$name" \
		-addext "subjectAltName=email:$name@direct.example.org" \
		-addext "keyUsage=digitalSignature,keyEncipherment,keyAgreement"
}
certificate alice -algorithm RSA -pkeyopt rsa_keygen_bits:2048
certificate bob -algorithm RSA -pkeyopt rsa_keygen_bits:2048
certificate p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
certificate p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384

printf 'Content-Type: text/plain\r\n\r\nA short record.\r\n' >small.txt
awk 'BEGIN { for (i = 0; i < 250; i++) printf "line %03d of a longer record\r\n", i }' >medium.txt

encrypt() { # file, input, options …
	out=$1 in=$2
	shift 2
	openssl cms -encrypt -binary -in "$in" -outform DER -out "env-$out.p7m" "$@"
}
encrypt openssl-aes256 small.txt -aes-256-cbc alice.pem
encrypt openssl-aes192 small.txt -aes-192-cbc alice.pem
encrypt openssl-aes128 small.txt -aes-128-cbc alice.pem
encrypt openssl-stream medium.txt -stream -aes-256-cbc alice.pem
encrypt openssl-second medium.txt -aes-256-cbc bob.pem alice.pem
encrypt openssl-keyid small.txt -keyid -aes-256-cbc alice.pem
encrypt openssl-with-ec small.txt -aes-256-cbc -recip p256.pem -recip alice.pem
encrypt openssl-with-password small.txt -aes-256-cbc -pwri_password secret -recip alice.pem
encrypt openssl-oaep-sha1 small.txt -aes-256-cbc -recip alice.pem -keyopt rsa_padding_mode:oaep
for h in 256 384 512; do
	encrypt "openssl-oaep-sha$h" small.txt -aes-256-cbc -recip alice.pem \
		-keyopt rsa_padding_mode:oaep -keyopt "rsa_oaep_md:sha$h"
done
openssl smime -encrypt -binary -aes256 -stream -in medium.txt -outform DER -out env-openssl-smime.p7m alice.pem
encrypt openssl-refuse-3des small.txt -des3 alice.pem
encrypt openssl-refuse-gcm small.txt -aes-256-gcm alice.pem
encrypt openssl-refuse-ec small.txt -aes-256-cbc -recip p256.pem

sign() { # file, input, options …
	out=$1 in=$2
	shift 2
	openssl cms -sign -binary -in "$in" -outform DER -out "sig-$out.p7s" "$@"
}
alice="-signer alice.pem -inkey alice.key"
sign openssl-detached small.txt $alice -md sha256
sign openssl-sha384 small.txt $alice -md sha384
sign openssl-sha512 small.txt $alice -md sha512
sign openssl-p256 small.txt -signer p256.pem -inkey p256.key -md sha256
sign openssl-p384 small.txt -signer p384.pem -inkey p384.key -md sha384
sign openssl-keyid small.txt $alice -md sha256 -keyid
sign openssl-two small.txt $alice -signer p256.pem -inkey p256.key -md sha256
sign openssl-opaque small.txt $alice -md sha256 -nodetach
sign openssl-opaque-stream medium.txt $alice -md sha256 -nodetach -stream
sign openssl-nocerts small.txt $alice -md sha256 -nocerts
sign openssl-refuse-noattr small.txt $alice -md sha256 -noattr
sign openssl-refuse-sha1 small.txt $alice -md sha1
sign openssl-refuse-md5 small.txt $alice -md md5
sign openssl-refuse-sha224 small.txt $alice -md sha224
sign openssl-refuse-pss small.txt $alice -md sha256 -keyopt rsa_padding_mode:pss
openssl crl2pkcs7 -nocrl -certfile alice.pem -certfile bob.pem -outform DER -out certs-openssl.p7b

# gpgsm writes chunked BER.
home=$(mktemp -d)
trap 'gpgconf --homedir "$home" --kill all; rm -rf "$home"' EXIT
chmod 700 "$home"
gpgsm() {
	command gpgsm --homedir "$home" --batch --disable-crl-checks --disable-policy-checks \
		--pinentry-mode loopback --passphrase-fd 9 9</dev/null "$@"
}
openssl pkcs12 -export -legacy -inkey alice.key -in alice.pem -passout pass: -out "$home/alice.p12"
gpgsm --import "$home/alice.p12"
fingerprint=$(openssl x509 -in alice.pem -noout -fingerprint -sha1 | cut -d= -f2)
echo "$fingerprint S relax" >"$home/trustlist.txt"
printf 'allow-loopback-pinentry\n' >"$home/gpg-agent.conf"
gpgconf --homedir "$home" --kill all
gpgsm --yes --cipher-algo AES256 --recipient alice --output env-gpgsm.p7m --encrypt medium.txt
gpgsm --yes --include-certs -1 --digest-algo SHA256 --local-user alice --output sig-gpgsm-opaque.p7s --sign medium.txt
gpgsm --yes --include-certs -1 --digest-algo SHA256 --local-user alice --output sig-gpgsm-detached.p7s --detach-sign medium.txt

# BouncyCastle stands for the Java peers.
jars=$(echo /usr/share/java/bcprov.jar /usr/share/java/bcpkix.jar /usr/share/java/bcutil.jar | tr ' ' :)
javac -cp "$jars" -d "$home" BouncyCastle.java
java -cp "$jars:$home" BouncyCastle

# The vector set: whole messages, see cms/README.md.
python3 -B ../kit/generate.py
