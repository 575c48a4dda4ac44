/* `pontoon config`: tests the configuration, prints the sample file or the man page's list of parameters. */
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/site.h"

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
    printf("%s: no errors\n", config_path(config));
    config_free(&config);
    return EX_OK;
}
