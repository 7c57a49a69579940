/* test_memory_limit.c - the machine's memory and the limits of control groups, over trees of files made here
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/memory_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "support/folder.h"

static const char meminfo[] = "MemTotal:        4096 kB\nMemFree:  12 kB\nMemAvailable:    3072 kB\nBuffers: 1 kB\n";

/* A file below root with its folders. */
static void put(const char *root, const char *name, const char *content)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *c = path + strlen(root) + 1; *c != '\0'; c++) {
        if (*c == '/') {
            *c = '\0';
            mkdir(path, 0700);
            *c = '/';
        }
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

typedef struct system_file {
    const char *name, *content;
} system_file;

static void expect(uint64_t total, uint64_t available, const system_file *files)
{
    test_folder root;
    uint64_t got_total = 1;
    uint64_t got_available = 1;
    test_folder_make(&root);
    for (; files->name != NULL; files++) {
        put(root.path, files->name, files->content);
    }
    lyc_memory_limits_of(&got_total, &got_available, root.path);
    test_folder_remove(&root);
    assert_int_equal(got_total, total);
    assert_int_equal(got_available, available);
}

static void reads_the_machine(void **state)
{
    (void)state;
    expect(4096 << 10, 3072 << 10, (system_file[]){{"proc/meminfo", meminfo}, {0}});
    expect(0, 0, (system_file[]){{0}});
}

static void reads_version_2(void **state)
{
    (void)state;
    expect(2048 << 10, 1024 << 10,
           (system_file[]){{"proc/meminfo", meminfo},
                           {"proc/self/cgroup", "0::/a/b\n"},
                           {"sys/fs/cgroup/a/b/memory.max", "max\n"},
                           {"sys/fs/cgroup/a/b/memory.current", "4096\n"},
                           {"sys/fs/cgroup/a/memory.max", "2097152\n"},
                           {"sys/fs/cgroup/a/memory.current", "1048576\n"},
                           {0}});
}

static void reads_the_root_of_a_container(void **state)
{
    (void)state;
    expect(1024, 0,
           (system_file[]){{"proc/meminfo", meminfo},
                           {"proc/self/cgroup", "0::/\n"},
                           {"sys/fs/cgroup/memory.max", "1024\n"},
                           {"sys/fs/cgroup/memory.current", "5000\n"},
                           {0}});
}

static void reads_version_1(void **state)
{
    (void)state;
    expect(4096 << 10, 1024 << 10,
           (system_file[]){{"proc/meminfo", meminfo},
                           {"proc/self/cgroup", "9:pids:/\n4:memory:/job\n0::/\n"},
                           {"sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n"},
                           {"sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1048576\n"},
                           {"sys/fs/cgroup/memory/memory.limit_in_bytes", "5242880\n"},
                           {"sys/fs/cgroup/memory/memory.usage_in_bytes", "4194304\n"},
                           {0}});
}

static void reads_this_system(void **state)
{
    (void)state;
    uint64_t total;
    uint64_t available;
    lyc_memory_limits(&total, &available);
    assert_true(total >= 64 << 20);
    assert_true(available > 0 && available <= total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_machine),
        cmocka_unit_test(reads_version_2),
        cmocka_unit_test(reads_the_root_of_a_container),
        cmocka_unit_test(reads_version_1),
        cmocka_unit_test(reads_this_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
