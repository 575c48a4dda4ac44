/* `pontoon config`: tests the configuration, prints the sample file or the man page's list of parameters. */
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/site.h"
#include "lib/eligibility.h"
#include "lib/patterns.h"

/* Rules, patterns and tables: what the table of parameters can't check. */
static enum result check(const struct config *config, struct error *err)
{
    static const char *const lists[] = {"bridge.migrated", "bridge.not-migrated", "bridge.senders",
                                        "bridge.refuse-senders"};
    struct eligibility *eligibility;
    enum result r = eligibility_new(config, &eligibility, err);
    eligibility_free(&eligibility);
    for (size_t i = 0; r == RESULT_OK && i < sizeof lists / sizeof *lists; i++) {
        struct patterns *p;
        r = patterns_from_config(config, lists[i], PATTERNS_ADDRESS, &p, err);
        patterns_free(&p);
    }
    return r;
}

int ctl_config(const struct ctl *ctl)
{
    if ((ctl->options & (ctl->options - 1)) != 0)
        return ctl_error(EX_USAGE, "config: only one of --test, --sample and --mdoc");
    if (ctl->options & CTL_SAMPLE) {
        config_print_sample(stdout);
        return EX_OK;
    }
    if (ctl->options & CTL_MDOC) {
        config_print_mdoc(stdout);
        return EX_OK;
    }
    struct config *config = NULL;
    int code = site_config(ctl->config_files[0], &config);
    if (code != EX_OK)
        return code;
    struct error err;
    if (check(config, &err) == RESULT_OK)
        printf("%s: no errors\n", config_path(config));
    else
        code = ctl_error(EX_CONFIG, "%s", err.text);
    config_free(&config);
    return code;
}
