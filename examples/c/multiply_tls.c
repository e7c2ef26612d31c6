/* Multiplies over TLS, with OpenSSL (gcc multiply_tls.c -lssl -lcrypto).
   Usage: multiply_tls CA HOST PORT [A B], for example multiply_tls ca.pem localhost 65443 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static int fail(SSL *tls, const char *what) {
    long check = tls == NULL ? X509_V_OK : SSL_get_verify_result(tls);
    if (check != X509_V_OK) /* why the certificate was refused */
        fprintf(stderr, "%s: %s\n", what, X509_verify_cert_error_string(check));
    else if (ERR_peek_error() != 0)
        fprintf(stderr, "%s: ", what), ERR_print_errors_fp(stderr);
    else
        fprintf(stderr, "%s: the connection ended\n", what);
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return fprintf(stderr, "Usage: multiply_tls CA HOST PORT [A B]\n"), 1;
    const char *ca = argv[1], *host = argv[2], *port = argv[3];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL); /* OpenSSL checks nothing until it is told to */
    if (SSL_CTX_load_verify_locations(context, ca, NULL) != 1)
        return fail(NULL, ca);
    BIO *bio = BIO_new_ssl_connect(context); /* connects, and then encrypts */
    SSL *tls = NULL;
    BIO_get_ssl(bio, &tls);
    BIO_set_conn_hostname(bio, host);
    BIO_set_conn_port(bio, port);
    /* The certificate must name the host, which is an address or a name; only a name is also sent to the server. */
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) != 1) {
        SSL_set1_host(tls, host);
        SSL_set_tlsext_host_name(tls, host);
    }
    if (BIO_do_connect(bio) != 1 || BIO_do_handshake(bio) != 1)
        return fail(tls, host);
    char line[8192];
    int count = snprintf(line, sizeof line, "%s %s\n", argc > 5 ? argv[4] : "5", argc > 5 ? argv[5] : "10");
    if (count >= (int)sizeof line || BIO_write(bio, line, count) != count)
        return fail(tls, host);
    for (int i = 0; i < 2; i++) { /* "Data received\n", then "50.0\n" */
        size_t length = 0;
        do { /* byte by byte: what follows the line stays in OpenSSL's buffer */
            if (BIO_read(bio, line + length, 1) != 1)
                return fail(tls, host);
        } while (line[length++] != '\n' && length < sizeof line - 1);
        line[length] = '\0';
        if (i == 0)
            fputs(line, stderr);
    }
    int wrong = strncmp(line, "Error: ", 7) == 0;
    fputs(line, wrong ? stderr : stdout);
    BIO_free_all(bio); /* says goodbye: close_notify */
    SSL_CTX_free(context);
    return wrong;
}
