/* The certificates that pontoon-store and pontoon-bridge show: dates, names, key, and whether others will believe them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ctl/access.h"
#include "ctl/check.h"
#include "ctl/show.h"
#include "ctl/url.h"
#include "lib/certificate.h"
#include "lib/mem.h"
#include "lib/tls.h"

void check_certificate_dates(struct check_report *r, const char *what, msec_t ends, const char *advice)
{
    char when[SHOW_WHEN_SIZE], age[SHOW_AGE_SIZE];
    msec_t left = ends - clock_now();
    show_when(ends, when);
    if (ends == 0) {
        check_found(r, CHECK_NOTE, "%s: when the certificate ends can't be told", what);
        check_advise(r, "look at it by hand: openssl x509 -noout -enddate");
    } else if (left < 0) {
        check_found(r, CHECK_PROBLEM, "%s: the certificate has expired, on %s", what, when);
        check_advise(r, "%s", advice);
    } else if (left < CHECK_CERTIFICATE_SOON) {
        check_found(r, CHECK_WARNING, "%s: the certificate expires in %s, on %s", what, show_age(left, age), when);
        check_advise(r, "%s", advice);
    } else {
        check_found(r, CHECK_OK, "%s: the certificate is good until %s", what, when);
    }
}

/* ---- names ---- */

static void need_host(struct check *c, const struct certificate *cert, const char *file, const char *host)
{
    if (certificate_names(cert, host))
        return;
    check_found(c->report, CHECK_PROBLEM, "%s is not for %s, which others connect to", file, host);
    check_advise(c->report, "get a certificate that names %s too, and reload the daemon", host);
}

static void need_hosts_of(struct check *c, const struct certificate *cert, const char *file, const char *key)
{
    size_t n;
    char host[URL_HOST_SIZE];
    const char *const *urls = config_list(c->config, key, &n);
    for (size_t i = 0; i < n; i++) {
        if (url_host(urls[i], host))
            need_host(c, cert, file, host);
    }
}

static void need_domains(struct check *c, const struct certificate *cert, const char *file)
{
    size_t n;
    const char *const *domains = config_list(c->config, "domains", &n);
    for (size_t i = 0; i < n; i++) {
        char *host = mem_printf("sender-store.%s", domains[i]);
        need_host(c, cert, file, host);
        mem_free(&host);
    }
}

/* ---- one file ---- */

static void look_at_trust(struct check *c, const struct certificate *cert, const char *file)
{
    struct error err;
    const char *authorities = config_string(c->config, "discovery.ca-file");
    enum result r = certificate_verify(cert, authorities, &err);
    if (r == RESULT_OK)
        return;
    check_found(c->report, r == RESULT_PERM ? CHECK_PROBLEM : CHECK_NOTE, "%s: others won't believe it: %s", file,
                err.text);
    check_advise(c->report, "put the chain behind the certificate (\"fullchain\"), from an authority that %s has",
                 *authorities != '\0' ? authorities : "every system");
}

static void look_at_key(struct check *c, const char *section, const char *file, const char *key_file)
{
    struct access_user user;
    struct error err;
    struct tls_server *tls = NULL;
    access_daemon_user(c->config, section, &user);
    if (user.known &&
        (access_as(&user, file, R_OK, &err) == RESULT_PERM || access_as(&user, key_file, R_OK, &err) == RESULT_PERM)) {
        check_found(c->report, CHECK_PROBLEM, "pontoon-%s: %s", section, err.text);
        check_advise(c->report, "let that user read chain and key, also after each renewal");
    } else if (access(key_file, R_OK) != 0 && errno == EACCES) {
        check_found(c->report, CHECK_NOTE, "%s: only its user and root can look into it", key_file);
    } else if (tls_server_new(file, key_file, &tls, &err) != RESULT_OK) {
        check_found(c->report, CHECK_PROBLEM, "%s", err.text);
        check_advise(c->report, "name chain and key of one certificate in %s.certificate and %s.key", section, section);
    }
    tls_server_free(&tls);
}

/* NULL: reported. */
static struct certificate *look_at(struct check *c, const char *section)
{
    char key[32], certificate_key[32];
    struct certificate *cert = NULL;
    struct error err;
    snprintf(certificate_key, sizeof certificate_key, "%s.certificate", section);
    snprintf(key, sizeof key, "%s.key", section);
    const char *file = config_string(c->config, certificate_key);
    if (*file == '\0') {
        check_found(c->report, CHECK_NOTE, "%s is not set: pontoon-%s does not run here", certificate_key, section);
        return NULL;
    }
    if (certificate_load(file, &cert, &err) != RESULT_OK) {
        check_found(c->report, access(file, F_OK) == 0 && access(file, R_OK) != 0 ? CHECK_NOTE : CHECK_PROBLEM, "%s",
                    err.text);
        check_advise(c->report, "run this as root, or put the PEM chain there (%s)", certificate_key);
        return NULL;
    }
    if (certificate_begins(cert) > clock_now()) {
        check_found(c->report, CHECK_PROBLEM, "%s: not valid yet", file);
        check_advise(c->report, "look at this machine's clock");
    }
    check_certificate_dates(c->report, file, certificate_ends(cert),
                            "renew it, and reload the daemon: systemctl reload pontoon-store pontoon-bridge");
    look_at_trust(c, cert, file);
    look_at_key(c, section, file, config_string(c->config, key));
    return cert;
}

void check_certificates(struct check *c)
{
    struct certificate *store = look_at(c, "store");
    if (store != NULL) {
        const char *file = config_string(c->config, "store.certificate");
        need_domains(c, store, file);
        need_hosts_of(c, store, file, "policy.outbound");
        certificate_free(&store);
    }
    struct certificate *bridge = look_at(c, "bridge");
    if (bridge != NULL) {
        need_hosts_of(c, bridge, config_string(c->config, "bridge.certificate"), "policy.inbound");
        certificate_free(&bridge);
    }
}
