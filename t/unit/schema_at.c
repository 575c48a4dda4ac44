/* schema_at store|queue STEP FILE: an empty database as it was when its schema had so many steps. For t/scenario/fault-upgrade.t. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jobs_sqlite.h"
#include "lib/store_sqlite.h"

int main(int argc, char **argv)
{
    if (argc != 4)
        return fprintf(stderr, "usage: schema_at store|queue STEP FILE\n"), 2;
    struct sqlite_schema schema = strcmp(argv[1], "store") == 0 ? store_sqlite_schema : jobs_sqlite_schema;
    int step = (int)strtol(argv[2], NULL, 10);
    struct sqlite_writer *writer = NULL;
    struct error err = {0};
    if (step < 1 || step > schema.nsteps)
        return fprintf(stderr, "the %s has steps 1 to %d\n", schema.what, schema.nsteps), 2;
    schema.nsteps = step;
    if (sqlite_writer_open(argv[3], &schema, 1000, &writer, &err) != RESULT_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    sqlite_writer_close(&writer);
    return 0;
}
