/*
 * The configuration of a Postfix on this machine, as Postfix itself understands it: postconf(1) reads both files, and expands
 * what is in them, for main.cf alone and for main.cf with each service's -o settings. Nothing is changed; each run is
 * bounded in time and output.
 */
#ifndef PONTOON_CTL_POSTFIX_CONFIG_H
#define PONTOON_CTL_POSTFIX_CONFIG_H

#include "ctl/postfix_text.h"

struct postfix_config {
    char *directory; /* of main.cf and master.cf */
    struct postfix_services services;
    struct postfix_settings main;
};

/*
 * `directory` NULL: the system's. RESULT_PERM: no Postfix is there. RESULT_TEMP: it can't be read, or Postfix finds errors
 * in it. postfix_config_free() only after RESULT_OK.
 */
enum result postfix_config_read(const char *directory, struct postfix_config **c_r, struct error *err);
void postfix_config_free(struct postfix_config **c);

/*
 * The expanded value of a parameter that postfix_config.c names in its list; for a service (of smtpd, cleanup or smtp), or, with
 * NULL, of main.cf alone. "" if it is empty, or Postfix does not know it.
 */
const char *postfix_config_value(const struct postfix_config *c, const struct postfix_service *s, const char *name);
/* Whether a service runs in queue_directory as its root. */
bool postfix_config_chrooted(const struct postfix_config *c, const struct postfix_service *s);
/* How many processes of it may run; 0: as many as will. */
unsigned postfix_config_processes(const struct postfix_config *c, const struct postfix_service *s);
/* NULL: none of that name (type unix). */
const struct postfix_service *postfix_config_service(const struct postfix_config *c, const char *name);
/* The inet service that takes connections at an address of this machine, or NULL. */
const struct postfix_service *postfix_config_listener(const struct postfix_config *c, const struct netaddr *a);

#endif
