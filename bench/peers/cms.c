/*
 * What a program does with OpenSSL's libcrypto: S/MIME out and in, whole
 * messages in memory, with its own MIME and base64 (out, in) and without
 * (outder, inder). Reads keys and certificates in the working directory and
 * obeys lines on its standard input:
 *
 *   work OP FILE RECIPIENTS MILLISECONDS
 *   make OP FILE RECIPIENTS RESULT
 *
 * Each is answered by one line of JSON. Build: cc -O2 cms.c -lcrypto
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define WRAP "Content-Type: message/rfc822\r\n\r\n"

static X509 *sender, *issuer;
static EVP_PKEY *sender_key, *to_key;
static STACK_OF(X509) *chain, *all;
static X509_STORE *store;

static unsigned char *input;
static long input_size;
static int keeping; /* of the result; otherwise it is thrown away as it comes */

static void die(const char *what)
{
	fprintf(stderr, "cms: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static STACK_OF(X509) *certificates(const char *file)
{
	STACK_OF(X509) *found = sk_X509_new_null();
	BIO *in = BIO_new_file(file, "r");
	X509 *c;

	if (in == NULL || found == NULL)
		die(file);
	while ((c = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL)
		sk_X509_push(found, c);
	ERR_clear_error();
	BIO_free(in);
	if (sk_X509_num(found) == 0)
		die(file);
	return found;
}

static EVP_PKEY *private_key(const char *file)
{
	BIO *in = BIO_new_file(file, "rb");
	EVP_PKEY *key = in == NULL ? NULL : d2i_PrivateKey_bio(in, NULL);

	if (key == NULL)
		die(file);
	BIO_free(in);
	return key;
}

static void load(void)
{
	sender = sk_X509_value(certificates("sender.pem"), 0);
	issuer = sk_X509_value(certificates("issuer.pem"), 0);
	all = certificates("to.pem");
	sender_key = private_key("sender.der");
	to_key = private_key("to.der");
	chain = sk_X509_new_null();
	sk_X509_push(chain, issuer);
	store = X509_STORE_new();
	X509_STORE_add_cert(store, sk_X509_value(certificates("root.pem"), 0));
}

static STACK_OF(X509) *first(int recipients)
{
	STACK_OF(X509) *some = sk_X509_new_null();
	int i;

	for (i = 0; i < recipients; i++)
		sk_X509_push(some, sk_X509_value(all, i));
	return some;
}

static BIO *result(void)
{
	return BIO_new(keeping ? BIO_s_mem() : BIO_s_null());
}

/* The wrapped message, ready to be signed. */
static BIO *wrapped(void)
{
	BIO *in = BIO_new(BIO_s_mem());

	BIO_write(in, WRAP, sizeof WRAP - 1);
	BIO_write(in, input, input_size);
	return in;
}

static BIO *out(int recipients)
{
	int flags = CMS_DETACHED | CMS_STREAM | CMS_BINARY;
	STACK_OF(X509) *to = first(recipients);
	BIO *in = wrapped(), *entity = BIO_new(BIO_s_mem()), *sealed = result();
	CMS_ContentInfo *signed_data = CMS_sign(sender, sender_key, chain, in, flags);
	CMS_ContentInfo *enveloped;

	if (signed_data == NULL || !SMIME_write_CMS(entity, signed_data, in, flags))
		die("signing");
	flags = CMS_STREAM | CMS_BINARY;
	enveloped = CMS_encrypt(to, entity, EVP_aes_256_cbc(), flags);
	if (enveloped == NULL || !SMIME_write_CMS(sealed, enveloped, entity, flags))
		die("encrypting");
	CMS_ContentInfo_free(signed_data);
	CMS_ContentInfo_free(enveloped);
	sk_X509_free(to);
	BIO_free(in);
	BIO_free(entity);
	return sealed;
}

static BIO *outder(int recipients)
{
	int flags = CMS_STREAM | CMS_BINARY;
	STACK_OF(X509) *to = first(recipients);
	BIO *in = wrapped(), *entity = BIO_new(BIO_s_mem()), *sealed = result();
	CMS_ContentInfo *signed_data = CMS_sign(sender, sender_key, chain, in, flags);
	CMS_ContentInfo *enveloped;

	if (signed_data == NULL || !i2d_CMS_bio_stream(entity, signed_data, in, flags))
		die("signing");
	enveloped = CMS_encrypt(to, entity, EVP_aes_256_cbc(), flags);
	if (enveloped == NULL || !i2d_CMS_bio_stream(sealed, enveloped, entity, flags))
		die("encrypting");
	CMS_ContentInfo_free(signed_data);
	CMS_ContentInfo_free(enveloped);
	sk_X509_free(to);
	BIO_free(in);
	BIO_free(entity);
	return sealed;
}

/* Decrypts and verifies, up to the root; der is without MIME. */
static BIO *in(int der)
{
	BIO *message = BIO_new_mem_buf(input, input_size), *detached = NULL;
	BIO *entity = BIO_new(BIO_s_mem()), *content = result();
	CMS_ContentInfo *enveloped, *signed_data;

	enveloped = der ? d2i_CMS_bio(message, NULL) : SMIME_read_CMS(message, NULL);
	if (enveloped == NULL ||
	    !CMS_decrypt(enveloped, to_key, sk_X509_value(all, 0), NULL, entity, CMS_BINARY))
		die("decrypting");
	signed_data = der ? d2i_CMS_bio(entity, NULL) : SMIME_read_CMS(entity, &detached);
	if (signed_data == NULL ||
	    !CMS_verify(signed_data, NULL, store, detached, content, CMS_BINARY))
		die("verifying");
	CMS_ContentInfo_free(enveloped);
	CMS_ContentInfo_free(signed_data);
	BIO_free(message);
	BIO_free(entity);
	BIO_free(detached);
	return content;
}

static BIO *operate(const char *op, int recipients)
{
	if (strcmp(op, "out") == 0)
		return out(recipients);
	if (strcmp(op, "outder") == 0)
		return outder(recipients);
	if (strcmp(op, "in") == 0)
		return in(0);
	if (strcmp(op, "inder") == 0)
		return in(1);
	die(op);
	return NULL;
}

static void read_input(const char *file)
{
	FILE *f = fopen(file, "rb");

	if (f == NULL)
		die(file);
	free(input);
	fseek(f, 0, SEEK_END);
	input_size = ftell(f);
	rewind(f);
	input = malloc(input_size);
	if (input == NULL || fread(input, 1, input_size, f) != (size_t)input_size)
		die(file);
	fclose(f);
}

static void write_result(BIO *b, const char *file)
{
	char *data;
	long size = BIO_get_mem_data(b, &data);
	FILE *f = fopen(file, "wb");

	if (f == NULL || fwrite(data, 1, size, f) != (size_t)size || fclose(f) != 0)
		die(file);
	BIO_free(b);
}

static long long now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void work(const char *op, int recipients, long long millis)
{
	long long wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID), until = wall + millis * 1000000;
	int n = 0;

	do {
		BIO_free(operate(op, recipients));
		n++;
	} while (now(CLOCK_MONOTONIC) < until);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = now(CLOCK_MONOTONIC) - wall;
	printf("{\"n\":%d,\"cpu\":%lld,\"wall\":%lld}\n", n, cpu, wall);
}

int main(void)
{
	char line[1024], command[16], op[16], file[256], last[256];
	int recipients;

	load();
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (sscanf(line, "%15s %15s %255s %d %255s", command, op, file, &recipients, last) != 5 ||
		    recipients < 1 || recipients > sk_X509_num(all))
			die("a line that is no command");
		read_input(file);
		keeping = strcmp(command, "make") == 0;
		if (keeping) {
			write_result(operate(op, recipients), last);
			printf("{\"n\":1}\n");
		} else {
			work(op, recipients, atoll(last));
		}
		fflush(stdout);
	}
	return 0;
}
