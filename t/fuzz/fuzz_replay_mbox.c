/* Mailboxes of the world: messages lie one behind the other, nothing is read twice, and a window that grows shows what the whole does. */
#include "ctl/replay/mbox.h"
#include "t/fuzz/fuzz.h"

enum { MESSAGES = 200 };

/* The end as found while `step` bytes more are there each time. */
static void find_in_pieces(enum mbox_kind kind, const char *data, size_t len, size_t step, struct mbox_message *m_r)
{
    size_t seen = 0;
    for (size_t have = step < len ? step : len; !mbox_find_end(kind, data, have, have == len, &seen, m_r);) {
        MUST(have < len && seen <= have);
        have = len - have > step ? have + step : len;
    }
}

static void unquote(enum mbox_kind kind, const char *data, size_t len)
{
    struct buf out = BUF_INIT(1 << 20);
    mbox_unquote(kind, data, len, &out);
    MUST(!out.overflow && out.len <= len && (kind != MBOX_CL2 || out.len == len));
    buf_free(&out);
}

FUZZ(data, size)
{
    if (size < 2)
        return 0;
    const char *mbox = (const char *)data + 2;
    size_t len = size - 2, step = 1 + data[1] * (size_t)16;
    enum mbox_kind kind = data[0] == 'd' ? mbox_detect(mbox, len) : (enum mbox_kind)(data[0] % MBOX_KINDS);
    for (int i = 0; i < MESSAGES && len > 0; i++) {
        struct mbox_message whole, pieces;
        size_t seen = 0;
        MUST(mbox_find_end(kind, mbox, len, true, &seen, &whole));
        MUST(whole.next > 0 && whole.from_len <= whole.end && whole.end <= whole.next && whole.next <= len);
        MUST(whole.next == len || mbox_is_from_line(mbox + whole.next, len - whole.next));
        find_in_pieces(kind, mbox, len, step, &pieces);
        MUST(pieces.from_len == whole.from_len && pieces.end == whole.end && pieces.next == whole.next);
        MUST(pieces.bad_length == whole.bad_length);
        unquote(kind, mbox + whole.from_len, whole.end - whole.from_len);
        mbox += whole.next;
        len -= whole.next;
    }
    return 0;
}
