/* memory_limit.c - /proc/meminfo and the limits of control groups
 *
 * A container or a job of a cluster has less than the machine. Its limit stands in the control group's folder and in
 * those above it; version 2 of control groups has one tree, version 1 one tree per resource.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/memory_limit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL when there is none. */
static FILE *open_file(const char *folder, const char *name)
{
    char path[1024];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) {
        return NULL;
    }
    return fopen(path, "re");
}

/* The number at the start of a text; false when there is none ("max"). */
static bool parse_number(uint64_t *value, const char *text)
{
    char *end;
    const char *digits = text + strspn(text, " ");
    const unsigned long long read = strtoull(digits, &end, 10);
    if (end == digits || *digits == '-') {
        return false;
    }
    *value = read;
    return true;
}

/* The number on the file's first line; false when there is no file or no number. */
static bool read_number(uint64_t *value, const char *folder, const char *name)
{
    FILE *file = open_file(folder, name);
    if (file == NULL) {
        return false;
    }
    char line[64];
    const bool found = fgets(line, sizeof line, file) != NULL && parse_number(value, line);
    fclose(file);
    return found;
}

static void read_meminfo(uint64_t *total, uint64_t *available, const char *root)
{
    FILE *file = open_file(root, "proc/meminfo");
    if (file == NULL) {
        return;
    }
    char line[128];
    uint64_t kib;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon == NULL || !parse_number(&kib, colon + 1)) {
            continue;
        }
        if (strncmp(line, "MemTotal:", 9) == 0) {
            *total = kib << 10;
        } else if (strncmp(line, "MemAvailable:", 13) == 0) {
            *available = kib << 10;
        }
    }
    fclose(file);
}

/* Takes into account what one control group allows. Cached files count as used there, although the kernel would give
 * them up: what is left is at least this much. */
static void apply_limit(uint64_t *total, uint64_t *available, uint64_t limit, uint64_t used)
{
    const uint64_t rest = used < limit ? limit - used : 0;
    if (*total == 0 || limit < *total) {
        *total = limit;
    }
    if (*available == 0 || rest < *available) {
        *available = rest;
    }
}

/* The names of a control group's files in one version. */
typedef struct group_files {
    const char *mount, *limit, *used;
} group_files;

/* The group's folder below the mount, and all above it up to the mount. */
static void apply_tree(uint64_t *total, uint64_t *available, const char *root, const group_files *files,
                       const char *group)
{
    char folder[1024];
    const int mount_length = snprintf(folder, sizeof folder, "%s%s", root, files->mount);
    if ((size_t)mount_length >= sizeof folder ||
        (size_t)snprintf(folder, sizeof folder, "%s%s%s", root, files->mount, group) >= sizeof folder) {
        return;
    }
    for (;;) {
        uint64_t limit;
        uint64_t used;
        if (read_number(&limit, folder, files->limit) && read_number(&used, folder, files->used)) {
            apply_limit(total, available, limit, used);
        }
        char *slash = strrchr(folder, '/');
        if (slash == NULL || slash < folder + mount_length) {
            return;
        }
        *slash = '\0';
    }
}

/* Lines are "4:memory:/group" (version 1) and "0::/group" (version 2). */
static void apply_groups(uint64_t *total, uint64_t *available, const char *root)
{
    static const group_files version1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"};
    static const group_files version2 = {"/sys/fs/cgroup", "memory.max", "memory.current"};
    FILE *file = open_file(root, "proc/self/cgroup");
    if (file == NULL) {
        return;
    }
    char line[768];
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *controllers = strchr(line, ':');
        const char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group != NULL && strncmp(controllers, ":memory:", 8) == 0) {
            apply_tree(total, available, root, &version1, group + 1);
        } else if (group != NULL && strncmp(controllers, "::", 2) == 0) {
            apply_tree(total, available, root, &version2, group + 1);
        }
    }
    fclose(file);
}

void lyc_memory_limits_of(uint64_t *total, uint64_t *available, const char *root)
{
    *total = 0;
    *available = 0;
    read_meminfo(total, available, root);
    apply_groups(total, available, root);
}

void lyc_memory_limits(uint64_t *total, uint64_t *available)
{
    lyc_memory_limits_of(total, available, "");
}
