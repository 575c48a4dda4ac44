/* A filter that does nothing, as a peer of pontoon-milter: every callback is there, and answers "go on". -d: discards each message at its end. */
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <string.h>

static sfsistat at_end = SMFIS_CONTINUE;

static sfsistat on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
    (void)ctx, (void)name, (void)address;
    return SMFIS_CONTINUE;
}

static sfsistat on_text(SMFICTX *ctx, char *text)
{
    (void)ctx, (void)text;
    return SMFIS_CONTINUE;
}

static sfsistat on_envelope(SMFICTX *ctx, char **argv)
{
    (void)ctx, (void)argv;
    return SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    (void)ctx, (void)name, (void)value;
    return SMFIS_CONTINUE;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *bytes, size_t n)
{
    (void)ctx, (void)bytes, (void)n;
    return SMFIS_CONTINUE;
}

static sfsistat on_step(SMFICTX *ctx)
{
    (void)ctx;
    return SMFIS_CONTINUE;
}

static sfsistat on_end(SMFICTX *ctx)
{
    (void)ctx;
    return at_end;
}

int main(int argc, char **argv)
{
    static char name[] = "empty-milter";
    struct smfiDesc description = {
        .xxfi_name = name,
        .xxfi_version = SMFI_VERSION,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_text,
        .xxfi_envfrom = on_envelope,
        .xxfi_envrcpt = on_envelope,
        .xxfi_header = on_header,
        .xxfi_eoh = on_step,
        .xxfi_body = on_body,
        .xxfi_eom = on_end,
        .xxfi_abort = on_step,
        .xxfi_close = on_step,
    };
    if (argc > 2 && strcmp(argv[1], "-d") == 0) {
        at_end = SMFIS_DISCARD;
        argv++, argc--;
    }
    if (argc != 2 || smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(description) != MI_SUCCESS) {
        fprintf(stderr, "usage: empty_milter [-d] SOCKET\n");
        return 64;
    }
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
