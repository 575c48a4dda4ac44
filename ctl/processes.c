/* Looking into /proc: see processes.h. What can't be read there is as good as not there. */
#include "ctl/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

#define DEFAULT_CONFIG SYSCONFDIR "/pontoon/pontoon.conf"

enum { FILE_MAX = 8192, PATH_SIZE = 4096 };

/* The beginning of /proc/PID/NAME with a NUL behind; its length, 0 if it can't be read. */
static size_t read_file(pid_t pid, const char *name, char out[FILE_MAX + 1])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, FILE_MAX) : -1;
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The arguments, each with a NUL behind: "-c FILE" or "-cFILE", or the default. */
static bool has_config(const char *args, size_t len, const char *config_file)
{
    const char *file = DEFAULT_CONFIG;
    for (const char *p = args; p < args + len; p += strlen(p) + 1) {
        if (strncmp(p, "-c", 2) == 0)
            file = p[2] != '\0' ? p + 2 : p + 3;
    }
    return same_file(file, config_file);
}

static bool runs(pid_t pid, const char *program, const char *config_file)
{
    char args[FILE_MAX + 1];
    size_t len = read_file(pid, "cmdline", args);
    if (len == 0)
        return false;
    const char *slash = strrchr(args, '/');
    return strcmp(slash != NULL ? slash + 1 : args, program) == 0 && has_config(args, len, config_file);
}

static void describe(pid_t pid, struct process *p)
{
    char text[FILE_MAX + 1], link[64], target[PATH_SIZE];
    *p = (struct process){.pid = pid};
    if (read_file(pid, "status", text) > 0) {
        const char *line = strstr(text, "\nUid:");
        unsigned effective = 0;
        if (line != NULL && sscanf(line, "\nUid: %*u %u", &effective) == 1)
            p->uid = (uid_t)effective;
    }
    if (read_file(pid, "limits", text) > 0) {
        const char *line = strstr(text, "\nMax open files");
        if (line != NULL)
            p->open_files = strtoull(line + strlen("\nMax open files"), NULL, 10);
    }
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(link, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    p->replaced = strstr(target, " (deleted)") != NULL;
}

bool process_find(const char *program, const char *config_file, struct process *p_r)
{
    DIR *d = opendir("/proc");
    bool found = false;
    if (d == NULL)
        return false;
    for (struct dirent *e; !found && (e = readdir(d)) != NULL;) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        found = runs(pid, program, config_file);
        if (found)
            describe(pid, p_r);
    }
    closedir(d);
    return found;
}

void process_groups(const struct process *p, gid_t *groups, int max, int *n_r)
{
    char text[FILE_MAX + 1];
    int n = 0;
    unsigned gid = 0;
    if (read_file(p->pid, "status", text) == 0)
        return;
    const char *line = strstr(text, "\nGid:");
    if (line != NULL && max > 0 && sscanf(line, "\nGid: %*u %u", &gid) == 1)
        groups[n++] = gid;
    line = strstr(text, "\nGroups:");
    line = line != NULL ? line + strlen("\nGroups:") : "";
    for (int used; n < max && sscanf(line, " %u%n", &gid, &used) == 1 && used > 0; line += used) {
        groups[n++] = gid;
        if (line[used] == '\n')
            break;
    }
    *n_r = n;
}
