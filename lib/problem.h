/* RFC 9457 problem documents as peers send them: what they say in words, for logs. */
#ifndef PONTOON_PROBLEM_H
#define PONTOON_PROBLEM_H

#include "lib/http_client.h"

/* "HTTP 503: the queue is full": the status and, if the body is a problem document, its `detail`; cut to fit. */
void problem_text(const struct http_response *res, char *out, size_t size);

#endif
