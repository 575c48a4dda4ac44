/* Addresses out of the header fields of the world: what is given is an address. */
#include "ctl/replay/addresses.h"
#include "lib/address.h"
#include "t/fuzz/fuzz.h"

static void found(void *arg, const char *address)
{
    bool utf8 = false;
    MUST(address_valid(address, &utf8) && strchr(address, '@') != NULL);
    ++*(size_t *)arg;
}

FUZZ(data, size)
{
    char *text = fuzz_text(data, size);
    size_t n = 0;
    addresses_each(text, found, &n);
    MUST(n <= strlen(text));
    mem_free(&text);
    return 0;
}
