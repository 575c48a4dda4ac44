/* Addresses, domains, xtext: what is valid can stand in a command; normal forms are fixed points. */
#include "lib/address.h"
#include "t/fuzz/fuzz.h"

static void check_valid(const char *address)
{
    for (const char *p = address; *p != '\0'; p++)
        MUST((unsigned char)*p >= 0x20 && *p != 0x7f && *p != '\r' && *p != '\n');
    MUST(strlen(address) <= ADDRESS_MAX && strchr(address, '@') != NULL);
    char *normal = address_normalize(address), *again = address_normalize(normal);
    MUST(strcmp(normal, again) == 0);
    mem_free(&again);
    mem_free(&normal);
}

static void try_domain(const char *text)
{
    char once[DOMAIN_MAX + 1], twice[DOMAIN_MAX + 1];
    if (!domain_normalize(text, once))
        return;
    MUST(domain_normalize(once, twice) && strcmp(once, twice) == 0 && strchr(once, '.') != NULL);
}

static void try_xtext(const char *text)
{
    char *encoded = xtext_encode(text), *decoded = xtext_decode(encoded);
    bool control = false; /* which no header could show: not decoded */
    for (const char *p = text; *p != '\0'; p++)
        control = control || (unsigned char)*p < 0x20 || *p == 0x7f;
    MUST(control ? decoded == NULL : decoded != NULL && strcmp(decoded, text) == 0);
    mem_free(&encoded);
    mem_free(&decoded);
    decoded = xtext_decode(text);
    MUST(decoded == NULL || xtext_valid(text));
    mem_free(&decoded);
}

FUZZ(data, size)
{
    struct error err;
    bool utf8 = false;
    char *text = fuzz_text(data, size < 5000 ? size : 5000);
    char *address = address_from_path(text, &err);
    if (address != NULL && address_valid(address, &utf8))
        check_valid(address);
    mem_free(&address);
    if (address_valid(text, &utf8))
        check_valid(text);
    try_domain(text);
    if (strlen(text) < 1000)
        try_xtext(text);
    mem_free(&text);
    return 0;
}
