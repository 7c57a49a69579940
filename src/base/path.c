/* path.c - file names that strangers chose
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

static const char *fault_of_name(lyc_span name)
{
    if (name.length == 0) {
        return "is empty";
    }
    if (name.length > NAME_MAX) {
        return "is longer than 255 bytes";
    }
    if (lyc_span_is(name, ".") || lyc_span_is(name, "..")) {
        return "is no file name";
    }
    for (size_t i = 0; i < name.length; i++) {
        const unsigned char c = (unsigned char)name.text[i];
        if (c == '/' || c == '\\') {
            return "contains a path separator";
        }
        if (c < 0x20 || c == 0x7F) {
            return "contains a control character";
        }
    }
    return lyc_utf8_valid_prefix(name.text, name.length) < name.length ? "is not UTF-8" : NULL;
}

lyc_status lyc_path_check_name(lyc_span name, lyc_error *err)
{
    const char *fault = fault_of_name(name);
    if (fault != NULL) {
        char brief[LYC_BRIEF];
        return lyc_fail(err, LYC_E_FORMAT, "file name '%s' %s", lyc_text_brief(brief, sizeof brief, name), fault);
    }
    return LYC_OK;
}

lyc_status lyc_path_check_inside(const char *folder, const char *path, lyc_error *err)
{
    char real_folder[PATH_MAX];
    char real_path[PATH_MAX];
    if (realpath(folder, real_folder) == NULL) {
        return lyc_fail_errno(err, LYC_E_IO, errno, "cannot find %s", folder);
    }
    if (realpath(path, real_path) == NULL) {
        return lyc_fail_errno(err, LYC_E_IO, errno, "cannot find %s", path);
    }
    const size_t length = strcmp(real_folder, "/") == 0 ? 0 : strlen(real_folder);
    if (strncmp(real_folder, real_path, length) != 0 || real_path[length] != '/') {
        return lyc_fail(err, LYC_E_FORMAT, "%s leads out of the folder %s", path, folder);
    }
    return LYC_OK;
}

char *lyc_path_join(lyc_arena *arena, const char *folder, lyc_span name)
{
    const size_t length = strlen(folder);
    const char *slash = length == 0 || folder[length - 1] == '/' ? "" : "/";
    return lyc_arena_format(arena, "%s%s%.*s", folder, slash, (int)name.length, name.text);
}

lyc_span lyc_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return lyc_span_of(slash != NULL ? slash + 1 : path);
}

lyc_span lyc_path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return (lyc_span){"", 0};
    }
    return (lyc_span){path, slash == path ? 1 : (size_t)(slash - path)};
}

lyc_status lyc_path_make_folder(const char *path, lyc_error *err)
{
    struct stat found;
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode))) {
        return LYC_OK;
    }
    return lyc_fail_errno(err, LYC_E_OUTPUT, errno, "cannot make folder %s", path);
}
