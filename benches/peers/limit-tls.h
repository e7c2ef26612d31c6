/* Minimal TLS 1.3 for the limit, with OpenSSL: one read into its buffer for each wake-up, sessions in tickets, no buffers for idle
 * connections. The conversation is the same. */
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *context;
static SSL *sides[DESCRIPTORS];

static void die_tls(const char *what) {
    fprintf(stderr, "%s: ", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void prepare_tls(const char *certificate, const char *key) {
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384");
    SSL_CTX_set1_groups_list(context, "X25519");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"limit", 5);
    if (SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1) die_tls(certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) die_tls(key);
}

static void accept_tls(int fd) {
    SSL *side = sides[fd] = SSL_new(context);
    if (!side || !SSL_set_fd(side, fd)) die_tls("SSL_new");
    SSL_set_accept_state(side);
}

/* The contents of one record. 0: the end; -1: nothing yet. */
static ssize_t take_tls(int fd, char *to, size_t size) {
    SSL *side = sides[fd];
    int length = SSL_read(side, to, (int)size);
    if (length > 0) return length;
    switch (SSL_get_error(side, length)) {
    case SSL_ERROR_WANT_READ: return -1;
    default: ERR_clear_error(); return 0; /* also a handshake that the kernel accepts only in part, which no run has */
    }
}

static int has_more_tls(int fd) { return SSL_has_pending(sides[fd]); }

static int is_shaking_tls(int fd) { return !SSL_is_init_finished(sides[fd]); }

static void say_tls(int fd, const char *text, size_t length) {
    /* OpenSSL makes one write for each record. */
    if (SSL_write(sides[fd], text, (int)length) != (int)length) die_tls("SSL_write");
}

static void close_tls(int fd) {
    SSL_shutdown(sides[fd]);
    ERR_clear_error();
    SSL_free(sides[fd]);
    sides[fd] = NULL;
}
