/* Addresses and networks of the configuration. */
#include "lib/netaddr.h"
#include "t/fuzz/fuzz.h"

FUZZ(data, size)
{
    struct netaddr a, b;
    struct error err;
    struct netaddr_list *list = NULL;
    char out[NETADDR_TEXT_SIZE];
    char *text = fuzz_text(data, size);
    if (netaddr_parse(text, 25, &a)) {
        netaddr_ip(&a, out);
        MUST(netaddr_parse(out, 25, &b) && netaddr_equal_ip(&a, &b));
        netaddr_is_global(&a);
    }
    if (netaddr_endpoint(text, &a, &err) == RESULT_OK)
        netaddr_text(&a, out);
    const char *block = text;
    if (netaddr_list_parse(&block, 1, &list, &err) == RESULT_OK)
        netaddr_list_has(list, &a);
    netaddr_list_free(&list);
    mem_free(&text);
    return 0;
}
