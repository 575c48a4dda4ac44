/* The host in a URL: see url.h. */
#include "ctl/url.h"

#include <string.h>

bool url_host(const char *url, char host_r[URL_HOST_SIZE])
{
    static const char scheme[] = "https://";
    if (strncmp(url, scheme, strlen(scheme)) != 0)
        return false;
    const char *host = url + strlen(scheme);
    size_t n = *host == '[' ? strcspn(++host, "]") : strcspn(host, ":/");
    if (n == 0 || n >= URL_HOST_SIZE)
        return false;
    memcpy(host_r, host, n);
    host_r[n] = '\0';
    return true;
}
