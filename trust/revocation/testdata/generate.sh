#!/bin/sh
# Makes the documents of this folder with OpenSSL 3; see GENERATE.md. TEST ONLY.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
keys=$here/../../../internal/testnet/testdata/keys
dir=$(mktemp -d)
cd "$dir"
exec 3>&2 2>log # OpenSSL's chatter is shown if something fails
trap '[ $? = 0 ] || cat log >&3; rm -rf "$dir"' EXIT

openssl ecparam -name prime256v1 -genkey -noout -out ec.key
openssl ecparam -name secp384r1 -genkey -noout -out ec384.key
cp "$keys/rsa2048-01.pem" rsa.key

# What is revoked: two of long ago, one at the first of July 2026, a hold, a
# stolen key (since March), one that is not.
tab=$(printf '\t')
cat >index.txt <<X
R${tab}21250101000000Z${tab}200101000000Z${tab}01${tab}unknown${tab}/CN=one
R${tab}21250101000000Z${tab}200101000000Z,superseded${tab}02${tab}unknown${tab}/CN=two
R${tab}21250101000000Z${tab}260701000000Z,cessationOfOperation${tab}03${tab}unknown${tab}/CN=july
R${tab}21250101000000Z${tab}200101000000Z,holdInstruction,holdInstructionReject${tab}04${tab}unknown${tab}/CN=hold
R${tab}21250101000000Z${tab}260701000000Z,keyTime,20260301000000Z${tab}05${tab}unknown${tab}/CN=stolen
R${tab}21250101000000Z${tab}260701000000Z,CACompromise${tab}06${tab}unknown${tab}/CN=lost
V${tab}21250101000000Z${tab}${tab}0BADF00D0BADF00D0BADF00D0BADF00D0BADF00D${tab}unknown${tab}/CN=fine
X

cat >cnf <<X
[ca]
default_ca = d
[d]
database = $dir/index.txt
crlnumber = $dir/crlnumber
default_md = sha256
default_crl_days = 1
[plain]
authorityKeyIdentifier = keyid:always
[named]
issuingDistributionPoint = critical, @idp_named
[users]
issuingDistributionPoint = critical, @idp_users
[authorities]
issuingDistributionPoint = critical, @idp_authorities
[attributes]
issuingDistributionPoint = critical, @idp_attributes
[reasons]
issuingDistributionPoint = critical, @idp_reasons
[indirect]
issuingDistributionPoint = critical, @idp_indirect
[relative]
issuingDistributionPoint = critical, @idp_relative
[delta]
2.5.29.27 = critical, DER:020101
[critical]
1.2.3.4 = critical, DER:0500
[idp_named]
fullname = URI:http://crl.example/1.crl, dirName:dn
[idp_users]
onlyuser = TRUE
[idp_authorities]
onlyCA = TRUE
[idp_attributes]
onlyAA = TRUE
[idp_reasons]
onlysomereasons = keyCompromise, CACompromise
[idp_indirect]
indirectCRL = TRUE
[idp_relative]
relativename = dn
[dn]
CN = point
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[below]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
extendedKeyUsage = OCSPSigning
[nocrl]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[leaf]
crlDistributionPoints = one, two, three, four
authorityInfoAccess = OCSP;URI:http://ocsp.example/, caIssuers;URI:http://aia.example/ca.cer, OCSP;URI:ldap://ocsp.example/
[one]
fullname = URI:http://crl.example/1.crl, URI:ldap://crl.example/cn=one, dirName:dn
[two]
fullname = URI:http://crl.example/1.crl, URI:https://crl.example/2.crl
[three]
fullname = URI:http://crl.example/indirect.crl
CRLissuer = dirName:dn
[four]
fullname = URI:http://crl.example/reasons.crl
reasons = keyCompromise
[responder]
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
[any]
extendedKeyUsage = anyExtendedKeyUsage, emailProtection
[encipher]
keyUsage = critical, keyEncipherment
extendedKeyUsage = OCSPSigning
[req]
distinguished_name = none
[none]
X

root() { # NAME KEY EXTENSIONS: all authorities have one name
	openssl req -config cnf -x509 -sha256 -key "$2.key" -subj "/O=Postern TEST ONLY/CN=authority" \
		-days 36500 -set_serial 1 -extensions "$3" -out "$1.pem"
}
root rsa rsa authority
root ec ec authority
root ec384 ec384 authority
root nocrl rsa nocrl

leaf() { # NAME SERIAL EXTENSIONS KEY [MORE]: a certificate of rsa
	name=$1 serial=$2 extensions=$3 key=$4
	shift 4
	openssl req -config cnf -new -key "$key" -subj "/CN=$name" -out csr
	openssl x509 -req -in csr -CA rsa.pem -CAkey rsa.key -set_serial "$serial" -days 36500 \
		-extfile cnf -extensions "$extensions" "$@" -out "$name.pem"
}
n=0
for name in one two july hold stolen lost; do
	n=$((n + 1))
	leaf $name $n leaf "$keys/rsa2048-03.pem"
done
leaf fine 0x0BADF00D0BADF00D0BADF00D0BADF00D0BADF00D leaf "$keys/rsa2048-03.pem"
leaf below 20 below "$keys/rsa2048-04.pem"

responder=$keys/rsa2048-02.pem
leaf responder 30 responder "$responder"
leaf mailer 31 any "$responder"
leaf encipher 32 encipher "$responder"
leaf responder1024 33 responder "$keys/rsa1024-01.pem"
leaf responder-sha1 34 responder "$responder" -sha1
openssl req -config cnf -new -key "$responder" -subj "/CN=self" -out csr
openssl x509 -req -in csr -signkey "$responder" -days 36500 -extfile cnf -extensions responder -out foreign.pem
mkdir old
: >old/index.txt
openssl req -config cnf -new -key "$responder" -subj "/CN=ended" -out csr
cat >>cnf <<X
[old]
database = $dir/old/index.txt
new_certs_dir = $dir/old
serial = $dir/old/serial
default_md = sha256
policy = anything
[anything]
commonName = supplied
X
echo 40 >old/serial
openssl ca -config cnf -name old -batch -notext -in csr -cert rsa.pem -keyfile rsa.key \
	-startdate 20200101000000Z -enddate 20210101000000Z -extensions responder -out ended.pem

crl() { # NAME AUTHORITY EXTENSIONS [MORE]; MORE may give later dates
	name=$1 authority=$2 key=$2 extensions=$3
	shift 3
	echo 1000 >crlnumber
	if [ "$extensions" = v1 ]; then set -- "$@"; else set -- -crlexts "$extensions" "$@"; fi
	openssl ca -config cnf -gencrl -cert "$authority.pem" -keyfile "$key.key" \
		-crl_lastupdate 20261001000000Z -crl_nextupdate 20261201000000Z "$@" -out "$name.crl.pem"
	openssl crl -in "$name.crl.pem" -outform DER -out "$here/$name.crl"
}
crl rsa rsa plain
cp rsa.crl.pem "$here/rsa.crl.pem"
crl ec ec plain
crl ec384 ec384 plain -md sha384
crl sha512 rsa plain -md sha512
crl pss rsa plain -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest
crl pss512 rsa plain -md sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest
crl pss-salt rsa plain -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:11
crl sha1 rsa plain -md sha1
for e in named users authorities attributes reasons indirect relative delta critical; do crl $e rsa $e; done
# A version 1 CRL must have no reasons either.
cp index.txt full.txt
printf "R${tab}21250101000000Z${tab}200101000000Z${tab}01${tab}unknown${tab}/CN=one\n" >index.txt
crl v1 rsa v1
: >index.txt
crl empty rsa plain
cp full.txt index.txt

ocsp() { # NAME SIGNER KEY "REQUEST" [MORE]
	name=$1 signer=$2 key=$3 request=$4
	shift 4
	openssl ocsp -issuer rsa.pem $request -no_nonce -reqout req.der
	openssl ocsp -index index.txt -CA rsa.pem -rsigner "$signer.pem" -rkey "$key" -reqin req.der \
		-ndays 36500 "$@" -respout "$here/$name.ocsp"
}
for c in one two july hold stolen lost fine; do ocsp $c rsa rsa.key "-cert $c.pem"; done
ocsp unknown rsa rsa.key "-cert below.pem"
ocsp sha256 rsa rsa.key "-sha256 -cert fine.pem"
ocsp keyid rsa rsa.key "-cert fine.pem" -resp_key_id
ocsp nocerts rsa rsa.key "-cert fine.pem" -resp_no_certs
ocsp several rsa rsa.key "-cert one.pem -cert two.pem -cert fine.pem"
ocsp pss rsa rsa.key "-cert fine.pem" -rsigopt rsa_padding_mode:pss -rsigopt rsa_pss_saltlen:digest
ocsp sha1 rsa rsa.key "-cert fine.pem" -rmd sha1
ocsp delegate responder "$responder" "-cert fine.pem"
ocsp delegate-keyid responder "$responder" "-cert fine.pem" -resp_key_id
ocsp delegate-nocerts responder "$responder" "-cert fine.pem" -resp_no_certs
ocsp delegate-mailer mailer "$responder" "-cert fine.pem"
ocsp delegate-encipher encipher "$responder" "-cert fine.pem"
ocsp delegate-weak responder1024 "$keys/rsa1024-01.pem" "-cert fine.pem"
ocsp delegate-sha1 responder-sha1 "$responder" "-cert fine.pem"
ocsp delegate-foreign foreign "$responder" "-cert fine.pem"
ocsp delegate-ended ended "$responder" "-cert fine.pem"
ocsp delegate-authority below "$keys/rsa2048-04.pem" "-cert fine.pem"

cp rsa.pem ec.pem ec384.pem nocrl.pem one.pem two.pem july.pem hold.pem stolen.pem lost.pem fine.pem below.pem "$here"
