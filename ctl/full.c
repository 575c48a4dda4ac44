/* Bounds of the store's queue that are reached: see full.h. */
#include "ctl/full.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "lib/queue_bounds.h"

static void add(json_t *list, const char *bound, const char *domain, uint64_t n, uint64_t most)
{
    if (most == 0 || n < most)
        return;
    json_array_append_new(list, json_pack("{s:s, s:s?, s:I, s:I}", "bound", bound, "domain", domain, "n", (json_int_t)n,
                                          "most", (json_int_t)most));
}

json_t *full_json(struct store *store, const struct config *config)
{
    struct queue_limits limits = queue_limits(config);
    struct store_load *load = NULL;
    struct error err;
    if (store == NULL)
        return json_null();
    if (store_load_read(store, limits.rcpts_per_domain, &load, &err) != RESULT_OK) {
        ctl_result_error(&err);
        return json_null();
    }
    json_t *list = json_array();
    add(list, "store.queue-max", NULL, load->messages, limits.messages);
    add(list, "store.queue-bytes-max", NULL, load->bytes, limits.bytes);
    for (size_t i = 0; i < load->n; i++)
        add(list, "store.queue-max-per-domain", load->list[i].domain, load->list[i].rcpts, limits.rcpts_per_domain);
    store_load_free(&load);
    return list;
}

void full_print(const json_t *list)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
    {
        const char *domain = json_string_value(json_object_get(o, "domain"));
        printf("full    ");
        if (domain != NULL)
            show_text(stdout, domain);
        printf("%s%s is %" PRId64 ", and there are %" PRId64 ": mail %sgoes by SMTP\n", domain != NULL ? ": " : "",
               json_string_value(json_object_get(o, "bound")), (int64_t)json_integer_value(json_object_get(o, "most")),
               (int64_t)json_integer_value(json_object_get(o, "n")), domain != NULL ? "to it " : "");
    }
}
