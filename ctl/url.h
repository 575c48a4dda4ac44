/* The host in one of our configuration's URLs. */
#ifndef PONTOON_CTL_URL_H
#define PONTOON_CTL_URL_H

#include <stdbool.h>

enum { URL_HOST_SIZE = 256 };

/* "https://HOST[:PORT][/PATH]" to HOST, a literal IPv6 address without brackets; false: it has none. */
bool url_host(const char *url, char host_r[URL_HOST_SIZE]);

#endif
