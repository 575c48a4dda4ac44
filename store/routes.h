/* From a request's method and path to the part that answers it. */
#ifndef PONTOON_STORE_ROUTES_H
#define PONTOON_STORE_ROUTES_H

#include "store/context.h"

/* An http_handler; `arg` is the struct context. */
void routes_handle(struct http_request *req, void *arg);

#endif
