/*
 * Which addresses a stranger may make us connect to: see netaddr.h. The tables follow the IANA special-purpose
 * registries (RFC 6890 and its updates); whatever looks wrong is refused, since nobody's mail depends on it.
 */
#include "lib/netaddr.h"

/* IPv4: refused, everything else is global. */
static const struct {
    uint8_t prefix[4];
    unsigned bits;
} refused_v4[] = {
    {{0}, 8},             /* "this network", RFC 791 */
    {{10}, 8},            /* private, RFC 1918 */
    {{100, 64}, 10},      /* shared behind carriers' NAT, RFC 6598 */
    {{127}, 8},           /* loopback, RFC 1122 */
    {{169, 254}, 16},     /* link-local, RFC 3927; clouds serve credentials there */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* IETF protocol assignments, RFC 6890; its two anycast exceptions serve no mail */
    {{192, 0, 2}, 24},    /* documentation, RFC 5737 */
    {{192, 88, 99}, 24},  /* 6to4 relays, gone with RFC 7526 */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarking, RFC 2544 */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast, RFC 5771 */
    {{240}, 4},           /* reserved, RFC 1112, and the broadcast address */
};

/*
 * IPv6: only 2000::/3 has ever been given out for unicast, which leaves out ::1, unique local (fc00::/7),
 * link-local (fe80::/10), site-local, multicast, discard-only (100::/64), SRv6 (5f00::/16), local NAT64
 * (64:ff9b:1::/48) and all that is unassigned. Inside it these are refused.
 */
static const uint8_t unicast_v6[16] = {0x20};
enum { UNICAST_V6_BITS = 3 };

static const struct {
    uint8_t prefix[16];
    unsigned bits;
} refused_v6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* IETF protocol assignments, RFC 2928: Teredo, ORCHID, benchmarking, ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation, RFC 3849 */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation, RFC 9637 */
};

/* IPv6 forms that carry an IPv4 address; it decides. (::ffff:0:0/96 has become IPv4 before we see it.) */
static const struct {
    uint8_t prefix[16];
    unsigned bits;
    size_t at; /* of the IPv4 address in the sixteen bytes */
} carriers[] = {
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12}, /* NAT64, RFC 6052 */
    {{0x20, 0x02}, 16, 2},              /* 6to4, RFC 3056 */
};

static bool v4_is_global(const uint8_t *bytes)
{
    for (size_t i = 0; i < sizeof refused_v4 / sizeof *refused_v4; i++) {
        if (netaddr_prefix_equal(refused_v4[i].prefix, bytes, refused_v4[i].bits))
            return false;
    }
    return true;
}

static bool v6_is_global(const uint8_t *bytes)
{
    for (size_t i = 0; i < sizeof carriers / sizeof *carriers; i++) {
        if (netaddr_prefix_equal(carriers[i].prefix, bytes, carriers[i].bits))
            return v4_is_global(bytes + carriers[i].at);
    }
    if (!netaddr_prefix_equal(unicast_v6, bytes, UNICAST_V6_BITS))
        return false;
    for (size_t i = 0; i < sizeof refused_v6 / sizeof *refused_v6; i++) {
        if (netaddr_prefix_equal(refused_v6[i].prefix, bytes, refused_v6[i].bits))
            return false;
    }
    return true;
}

bool netaddr_is_global(const struct netaddr *a)
{
    size_t len;
    const uint8_t *bytes = netaddr_bytes(a, &len);
    if (len == 4)
        return v4_is_global(bytes);
    return len == 16 && v6_is_global(bytes);
}
