/* `pontoon policy`: looks up a domain's record and policy now, as the daemons would, and says what came of it. */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/look_up.h"
#include "ctl/show.h"
#include "ctl/site.h"

static const char *result_word(enum result result)
{
    static const char *const words[] = {[RESULT_OK] = "takes-part", [RESULT_PERM] = "no", [RESULT_TEMP] = "unknown"};
    return result == RESULT_BUG ? "unknown" : words[result];
}

static void print_json(const struct look_up *l, json_t *document)
{
    json_t *o = json_object();
    json_object_set_new(o, "domain", json_string(l->domain));
    json_object_set_new(o, "result", json_string(result_word(l->result)));
    json_object_set_new(o, "error", show_json_text(l->result == RESULT_OK ? NULL : l->err.text));
    json_object_set_new(o, "record_id", show_json_text(l->found.txt_id));
    json_object_set_new(o, "policy", document != NULL ? json_incref(document) : json_null());
    show_json_document(stdout, o);
}

static void print_text(const struct look_up *l, json_t *document)
{
    if (l->found.txt_id[0] != '\0')
        printf("record  _sender-store.%s  id=%s\n", l->domain, l->found.txt_id);
    if (document != NULL) {
        printf("policy  https://sender-store.%s/.well-known/sender-store\n", l->domain);
        json_dumpf(document, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    if (l->result == RESULT_OK) {
        printf("%s takes part\n", l->domain);
    } else {
        printf("%s %s: ", l->domain,
               l->result == RESULT_PERM ? "takes no part, mail goes by SMTP" : "could not be looked up");
        show_text(stdout, l->err.text);
        putchar('\n');
    }
}

static int show(const struct ctl *ctl, const struct look_up *l)
{
    static const int codes[] = {
        [RESULT_OK] = EX_OK, [RESULT_TEMP] = EX_TEMPFAIL, [RESULT_PERM] = EX_UNAVAILABLE, [RESULT_BUG] = EX_SOFTWARE};
    json_t *document = l->found.policy != NULL ? json_loads(l->found.policy, 0, NULL) : NULL;
    (ctl->options & CTL_JSON ? print_json : print_text)(l, document);
    json_decref(document);
    return codes[l->result];
}

int ctl_policy(const struct ctl *ctl)
{
    struct look_up l = {0};
    struct config *config = NULL;
    struct error err;
    if (!domain_normalize(ctl->args[0], l.domain))
        return ctl_error(EX_USAGE, "\"%s\" is no domain name", ctl->args[0]);
    int code = site_config(ctl->config_files[0], &config);
    if (code != EX_OK)
        return code;
    if (look_up_run(&l, config, &err) != RESULT_OK)
        code = ctl_result_error(&err);
    else
        code = show(ctl, &l);
    look_up_free(&l);
    config_free(&config);
    return code;
}
