/* libcurl's multi interface on a loop: sockets, timer and finished transfers. Knows nothing of what is transferred. */
#ifndef PONTOON_HTTP_MULTI_H
#define PONTOON_HTTP_MULTI_H

#include <curl/curl.h>

#include "lib/loop.h"

struct http_multi;

struct http_multi_callbacks {
    /* A transfer came to its end; `private` is its CURLOPT_PRIVATE. It must be removed now or later. */
    void (*done)(void *arg, void *private, CURLcode code);
    /* libcurl was at work and isn't any more: what could not be done from its callbacks can be done now. */
    void (*idle)(void *arg);
    void *arg;
};

struct http_multi *http_multi_new(struct loop *loop, const struct http_multi_callbacks *callbacks);
void http_multi_free(struct http_multi **m); /* all transfers were removed */
void http_multi_add(struct http_multi *m, CURL *easy);
/* Not while http_multi_busy(): libcurl refuses it from its callbacks. */
void http_multi_remove(struct http_multi *m, CURL *easy);
void http_multi_unpause(struct http_multi *m, CURL *easy);
bool http_multi_busy(const struct http_multi *m);

#endif
