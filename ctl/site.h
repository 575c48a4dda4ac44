/* A site as its configuration names it: the configuration and the databases that are there, opened for reading. */
#ifndef PONTOON_CTL_SITE_H
#define PONTOON_CTL_SITE_H

#include "lib/config.h"
#include "lib/jobs.h"
#include "lib/store.h"

struct site {
    struct config *config;
    struct store *store; /* NULL: store.directory does not exist: this machine has no store */
    struct jobs *jobs;   /* NULL: bridge.directory does not exist */
};

/* EX_OK, or the exit code after an error was written; then nothing is open. */
int site_open(const char *config_file, struct site *site);
/* As above, and an error if the site has neither database. */
int site_open_some(const char *config_file, struct site *site);
void site_close(struct site *site);

/* The configuration alone. */
int site_config(const char *config_file, struct config **config_r);

#endif
