/* pontoon-replay's input: files, folders, archives and compression, each with the same messages. */
#include "t/unit/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/replay/content.h"
#include "ctl/replay/input.h"
#include "lib/mem.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static char folder[] = "/tmp/pontoon-test-replay-XXXXXX";
static const char mbox[] = "From a@a.test Thu Nov 26 10:00:00 2026\nS: 1\n\n>From x\n>>From y\n\n"
                           "From MAILER-DAEMON Thu Nov 26 10:00:05 2026\nS: 2\n\ny\n";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = mem_printf("rm -rf %s", folder);
    int failed = system(command); // NOLINT(cert-env33-c): the folder is our own
    mem_free(&command);
    return failed;
}

static char *path_of(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static void make(const char *name, const char *data, size_t len)
{
    char *path = path_of(name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    mem_free(&path);
}

static void make_text(const char *name, const char *text)
{
    make(name, text, strlen(text));
}

/* All messages of a source: "ORIGIN{bytes}" or "ORIGIN!reason", without the folder's name. */
static char *read_all(const struct input_options *o, const char *name)
{
    struct buf out = BUF_INIT(1000000);
    char *path = path_of(name);
    const char *sources[] = {path};
    struct input *in = input_new(o, sources, 1);
    struct input_message m;
    uint64_t n = 0;
    while (input_next(in, &m)) {
        assert_int_equal(m.number, ++n);
        assert_memory_equal(m.origin, folder, strlen(folder));
        buf_add_str(&out, m.origin + strlen(folder) + 1);
        if (m.reason != NULL)
            buf_printf(&out, "!%s", m.reason);
        else
            buf_printf(&out, "{%.*s}", (int)m.len, m.bytes);
    }
    input_free(&in);
    mem_free(&path);
    return buf_take(&out);
}

static const struct input_options detect = {.format = INPUT_DETECT, .max_size = 10000};

static void expect(const struct input_options *o, const char *name, const char *messages)
{
    char *got = read_all(o, name);
    assert_string_equal(got, messages);
    mem_free(&got);
}

static void one_mailbox(void **state)
{
    (void)state;
    struct input_options o = detect;
    make_text("m.mbox", mbox);
    expect(&o, "m.mbox", "m.mbox, message 1{S: 1\r\n\r\nFrom x\r\n>From y\r\n}m.mbox, message 2{S: 2\r\n\r\ny\r\n}");
    o.format = INPUT_MBOX;
    o.mbox_told = true;
    o.mbox = MBOX_CL2;
    expect(&o, "m.mbox", "m.mbox, message 1{S: 1\r\n\r\n>From x\r\n>>From y\r\n}m.mbox, message 2{S: 2\r\n\r\ny\r\n}");
    o.format = INPUT_MESSAGE;
    char *got = read_all(&o, "m.mbox");
    assert_null(strstr(got, "message 2"));
    mem_free(&got);
    expect(&o, "none", "none!No such file or directory");
}

static void from_lines_facts(void **state)
{
    (void)state;
    make_text("f.mbox", mbox);
    char *path = path_of("f.mbox");
    const char *sources[] = {path};
    struct input *in = input_new(&detect, sources, 1);
    struct input_message m;
    assert_true(input_next(in, &m));
    assert_string_equal(m.from_sender, "a@a.test");
    assert_int_equal(m.from_time, 1795687200000);
    assert_true(input_next(in, &m));
    assert_string_equal(m.from_sender, ""); /* a bounce's */
    assert_int_equal(m.from_time, 1795687205000);
    assert_false(input_next(in, &m));
    assert_true(input_share(in) > 0.99);
    input_free(&in);
    mem_free(&path);
}

static void folders(void **state)
{
    (void)state;
    make_text("d/new/1.M1.h", "S: 1\n\nx\n");
    make_text("d/cur/2.M2.h:2,S", "S: 2\n\nx\n");
    make_text("d/tmp/3.M3.h", "S: 3\n\nx\n");
    make_text("d/.Sent/cur/4.M4.h:2,", "From me: 10:00\n\nx\n");
    make_text("d/dovecot.index", "\1\2");
    make_text("mh/7", "S: 7\n\nx\n");
    make_text("mh/.mh_sequences", "unseen: 7\n");
    make_text("mh/b.eml", "S: b\n\nx\n");
    make_text("mh/sub/box", mbox);
    expect(&detect, "d",
           "d/.Sent/cur/4.M4.h:2,{From me: 10:00\r\n\r\nx\r\n}d/cur/2.M2.h:2,S{S: 2\r\n\r\nx\r\n}"
           "d/new/1.M1.h{S: 1\r\n\r\nx\r\n}");
    expect(&detect, "mh",
           "mh/7{S: 7\r\n\r\nx\r\n}mh/b.eml{S: b\r\n\r\nx\r\n}"
           "mh/sub/box, message 1{S: 1\r\n\r\nFrom x\r\n>From y\r\n}mh/sub/box, message 2{S: 2\r\n\r\ny\r\n}");
    char *path = path_of("d");
    const char *sources[] = {path}, *example;
    struct input *in = input_new(&detect, sources, 1);
    struct input_message m;
    while (input_next(in, &m))
        ;
    assert_int_equal(input_skipped(in, &example), 2);
    assert_non_null(example);
    input_free(&in);
    mem_free(&path);
}

/* An archive of two files, with this filter of libarchive's. */
static void make_archive(const char *name, const char *filter, bool tar)
{
    char *path = path_of(name);
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    if (filter != NULL)
        assert_int_equal(archive_write_add_filter_by_name(a, filter), ARCHIVE_OK);
    assert_int_equal(tar ? archive_write_set_format_ustar(a) : archive_write_set_format_raw(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    archive_entry_set_pathname(e, "box");
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0600);
    archive_entry_set_size(e, sizeof mbox - 1);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, mbox, sizeof mbox - 1), sizeof mbox - 1);
    if (tar) {
        archive_entry_set_pathname(e, "d/cur/1.M1.h:2,S");
        archive_entry_set_size(e, 5);
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, "S: 3\n", 5), 5);
    }
    archive_entry_free(e);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    mem_free(&path);
}

static void archives(void **state)
{
    (void)state;
    static const char *const filters[] = {NULL, "gzip", "xz", "bzip2", "zstd"};
    for (size_t i = 0; i < COUNT(filters); i++) {
        make_archive("a.tar", filters[i], true);
        expect(&detect, "a.tar",
               "a.tar, box, message 1{S: 1\r\n\r\nFrom x\r\n>From y\r\n}a.tar, box, message 2{S: 2\r\n\r\ny\r\n}"
               "a.tar, d/cur/1.M1.h:2,S{S: 3\r\n}");
        make_archive("b.mbox", filters[i], false);
        expect(&detect, "b.mbox",
               "b.mbox, message 1{S: 1\r\n\r\nFrom x\r\n>From y\r\n}b.mbox, message 2{S: 2\r\n\r\ny\r\n}");
    }
}

/* Cut anywhere, an archive gives what is whole, then says that it is damaged; and never anything else. */
static void damaged(void **state)
{
    (void)state;
    char data[4096];
    make_archive("c.mbox", "gzip", false);
    char *path = path_of("c.mbox");
    FILE *f = fopen(path, "re");
    size_t len = fread(data, 1, sizeof data, f);
    fclose(f);
    mem_free(&path);
    for (size_t n = 20; n < len - 8; n += 7) {
        make("cut.gz", data, n);
        char *got = read_all(&detect, "cut.gz");
        assert_non_null(strchr(got, '!'));
        mem_free(&got);
    }
}

static void too_large(void **state)
{
    (void)state;
    struct input_options o = {.format = INPUT_DETECT, .max_size = 100};
    struct buf text = BUF_INIT(10000000);
    buf_add_str(&text, "From a@a.test Thu Nov 26 10:00:00 2026\nS: 1\n\n");
    for (int i = 0; i < 100000; i++)
        buf_add_str(&text, i % 1000 == 0 ? "xxxxxxxxxxxx\n" : "xxxxxxxxxxxxx");
    buf_printf(&text, "\n\nFrom a@a.test Thu Nov 26 10:00:00 2026\nS: 2\n\ny\n");
    make("large.mbox", text.data, text.len);
    make("large.eml", text.data, text.len - 50);
    buf_free(&text);
    expect(&o, "large.mbox",
           "large.mbox, message 1!it is larger than 100 bytes (--max-size)large.mbox, message 2{S: 2\r\n\r\ny\r\n}");
    expect(&o, "large.eml", "large.eml!it is larger than 100 bytes (--max-size)");
}

static void odd_files(void **state)
{
    (void)state;
    make_text("empty", "");
    make_text("lf.eml", "S: 1\r\n\r\nx\ny\r\n");
    expect(&detect, "lf.eml", "lf.eml!a bare LF at byte 9, in a message whose lines end in CRLF");
    char *got = read_all(&detect, "empty");
    assert_true(got == NULL || strcmp(got, "") == 0 || strstr(got, "empty!it is empty") != NULL);
    mem_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_mailbox), cmocka_unit_test(from_lines_facts), cmocka_unit_test(folders),
        cmocka_unit_test(archives),    cmocka_unit_test(damaged),          cmocka_unit_test(too_large),
        cmocka_unit_test(odd_files),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("replay_input", tests, make_folder, remove_folder);
}
