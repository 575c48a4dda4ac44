/*
 * What the milter tells the bridge ('j': what was read is written, and read again, as the same), and fingerprints of messages (any
 * other first byte: the same whatever the pieces they come in).
 */
#include "lib/arrival.h"
#include "t/fuzz/fuzz.h"

static void one_datagram(const char *text, size_t size)
{
    struct arrival a, again;
    struct error err;
    if (arrival_parse(text, size, &a, &err) == RESULT_OK) {
        char *written = arrival_write(&a);
        if (written != NULL) { /* else: too long, once its bytes are escaped */
            MUST(arrival_parse(written, strlen(written), &again, &err) == RESULT_OK);
            char *same = arrival_write(&again);
            MUST(same != NULL && strcmp(written, same) == 0);
            mem_free(&same);
            arrival_clear(&again);
        }
        mem_free(&written);
    }
    arrival_clear(&a);
}

static struct fingerprint *in_pieces(const uint8_t *data, size_t size, size_t piece)
{
    struct fingerprint_maker *m = fingerprint_maker_new();
    for (size_t i = 0; i < size; i += piece)
        fingerprint_add_bytes(m, data + i, size - i < piece ? size - i : piece);
    return fingerprint_finish(&m);
}

FUZZ(data, size)
{
    if (size == 0)
        return 0;
    if (data[0] == 'j') {
        one_datagram((const char *)data + 1, size - 1);
        return 0;
    }
    struct fingerprint *a = in_pieces(data + 1, size - 1, size), *b = in_pieces(data + 1, size - 1, data[0] % 7 + 1);
    struct buf out = BUF_INIT(DIFFERENCES_SIZE_MAX);
    fingerprint_compare(a, b, &out);
    MUST(a->cut || out.len == 0);
    MUST(strcmp(a->message_id, b->message_id) == 0);
    buf_free(&out);
    fingerprint_free(&a);
    fingerprint_free(&b);
    return 0;
}
